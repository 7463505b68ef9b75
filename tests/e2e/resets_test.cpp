// A13: clients that reset their connections in the midst of requests, a thousand a second, through deploys.
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "expect.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kAtOnce = 10;
constexpr milliseconds kPause{10};

// What has left a client when it resets its connection.
std::vector<std::string> beginnings(const Peer& peer) {
  const auto get = request_text(peer, "GET", "/"), slow = request_text(peer, "GET", "/slow?ms=200");
  const auto upload = request_text(peer, "POST", "/", {"Content-Type: text/plain"}, std::string(100'000, 'x'));
  return {"", get.substr(0, get.size() / 2), get, slow, upload.substr(0, upload.size() / 2), get + get};
}

class Resetters {
 public:
  explicit Resetters(const Fleet& fleet) : thread_([this, http = fleet.http(), https = fleet.https()] { run(http, https); }) {}
  ~Resetters() { over_ = true; }
  unsigned resets() const { return resets_; }

 private:
  void run(const Peer& http, const Peer& https) {
    const auto texts = beginnings(http), secret = beginnings(https);
    for (unsigned n = 0; !over_; pause_for(kPause)) {
      for (unsigned i = 0; i < kAtOnce; ++i, ++n) {
        const bool plain = n % 8 != 0;  // handshakes are dear
        auto connection = Connection::open(plain ? http : https);
        if (!connection) continue;
        (void)connection->send((plain ? texts : secret)[n % texts.size()]);
        const linger at_once{1, 0};
        ::setsockopt(connection->socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ++resets_;
      }
    }
  }

  std::atomic<bool> over_ = false;
  std::atomic<unsigned> resets_ = 0;
  std::jthread thread_;  // last: it uses the rest
};

std::uint64_t open_files(const Fleet& fleet) {
  std::uint64_t sum = 0;
  for (const auto pid : fleet.worker_pids()) {
    const auto all = fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd");
    sum += static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
  }
  return sum;
}

TEST(Resets, A13_RD_DisturbNobodyElseAndLeaveNothing) {
  Fleet fleet;
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  const auto before = open_files(fleet);
  Traffic traffic(fleet);
  traffic.flow();
  {
    Resetters resetters(fleet);
    for (const auto* version : {"v2", "v3"}) {
      const auto reset = resetters.resets();
      EXPECT_TRUE(eventually(milliseconds(10000), [&] { return resetters.resets() >= reset + 300; }));
      ASSERT_TRUE(ended(fleet.deploy({version}), kDone));
      EXPECT_TRUE(serves(fleet, version));
    }
    traffic.flow();
  }
  EXPECT_TRUE(lossless(traffic.stop(500), {"v1", "v2", "v3"}));
  EXPECT_TRUE(settled(fleet));
  EXPECT_TRUE(under_way(fleet, 0));
  EXPECT_TRUE(eventually(milliseconds(15000), [&] { return open_files(fleet) <= before + 24; })) << open_files(fleet) << ", " << before << " before";
}

}  // namespace
}  // namespace fleet::test
