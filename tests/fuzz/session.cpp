// A whole client connection, HTTP/1.1 or HTTP/2 by the first byte, whose requests lead nowhere: it ends when its client
// does, whatever came. For HTTP/2 the client's preface is put before the input.
#include "clients/session.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "input.hpp"

using namespace fleet;
using namespace fleet::proxy;
using fuzz::require;

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Brings the input in pieces, then its end; takes everything.
class Bytes final : public Stream {
 public:
  Bytes(SocketPtr socket, std::string bytes, bool http2)
      : Stream(std::move(socket)), bytes_(std::move(bytes)), http2_(http2) {}

  IoResult read(char* to, std::size_t room) override {
    if (at_ == bytes_.size()) return {IoStatus::closed, 0};
    const auto n = std::min<std::size_t>({room, bytes_.size() - at_, 1 + at_ % 97});
    bytes_.copy(to, n, at_);
    at_ += n;
    return {IoStatus::done, n};
  }
  IoResult write(std::string_view bytes) override { return {IoStatus::done, bytes.size()}; }
  void end_output() override {}
  bool can_read() const override { return true; }
  bool can_write() const override { return true; }
  std::string_view protocol() const override { return http2_ ? "h2" : ""; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  const bool http2_;
};

struct Nobody final : proxy::Target::Observer {
  void target_quiet(proxy::Target&) override {}
};

struct Ticking final : Ticker {
  explicit Ticking(Loop& its_loop) : loop(its_loop) { loop.set_ticker(this); }
  void on_tick() override { loop.watchdog.tick(Clock::now()); }
  Loop& loop;
};

}  // namespace

FLEET_FUZZ_TARGET(input) {
  const auto options = input.byte();
  const bool http2 = (options & 1) != 0;
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return;
  os::Fd ours(pair[0]), theirs(pair[1]);

  Loop loop;
  Ticking ticking(loop);
  Nobody nobody;
  Proxy proxy(loop, Limits{}, nobody);
  Route route;
  route.app = "shop";
  route.hosts = {"shop.example"};
  route.https_redirect = HttpsRedirect::same_uri;
  proxy.router.swap(RouteTable{1, {route}});
  proxy.draining = (options & 2) != 0;

  auto bytes = std::string(http2 ? kPreface : "") + std::string(input.rest());
  auto stream = std::make_unique<Bytes>(SocketPtr(new Socket(loop, std::move(ours))), std::move(bytes), http2);
  Session session(proxy, std::move(stream), "192.0.2.1", false);
  bool over = false;
  spawn(session.run(), [&](std::exception_ptr error) {
    require(error == nullptr, "a session throws nothing");
    over = true;
    loop.stop();
  });
  if (!over) loop.run();
  require(proxy.active == 0, "no exchange is left");
}
