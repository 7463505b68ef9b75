#include "listeners.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>

#include "os/unix_socket.hpp"
#include "run.hpp"

namespace fleet {
namespace {

// A port that is free on both loopbacks, as far as one can know.
std::uint16_t free_port() {
  const os::Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  socklen_t size = sizeof address;
  ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin6_port);
}

ProxyConfig config(std::uint32_t workers, std::vector<Endpoint> http, std::vector<Endpoint> https = {}) {
  ProxyConfig config;
  config.workers = workers;
  config.http = std::move(http);
  config.https = std::move(https);
  return config;
}

bool accepts(const Endpoint& endpoint) {
  const os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  ::inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

std::vector<int> fds(const Listeners& listeners, std::uint32_t slot) {
  std::vector<int> all;
  for (const auto& listener : listeners.of(slot)) all.push_back(listener.fd.get());
  return all;
}

TEST(Listeners, EverySlotHasItsOwnOfEveryAddress) {
  const auto port = free_port(), tls = free_port();
  Listeners listeners;
  const auto made = listeners.prepare(config(2, {{"127.0.0.1", port}, {"::1", port}}, {{"127.0.0.1", tls}}));
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(listeners.of(0).size(), 3u);
  EXPECT_EQ(listeners.of(1).size(), 3u);
  EXPECT_TRUE(listeners.of(2).empty());
  EXPECT_EQ(listeners.of(0)[2].info.scheme, wire::Scheme::https);
  EXPECT_TRUE(accepts({"127.0.0.1", port}));
}

TEST(Listeners, PreparingAgainKeepsThoseThereAre) {
  const Endpoint http{"127.0.0.1", free_port()};
  Listeners listeners;
  ASSERT_TRUE(listeners.prepare(config(2, {http})));
  const auto before = fds(listeners, 1);
  ASSERT_TRUE(listeners.prepare(config(2, {http})));
  EXPECT_EQ(fds(listeners, 1), before);
}

TEST(Listeners, OneThatWasFoundAgainIsUsed) {
  const Endpoint http{"127.0.0.1", free_port()};
  Listeners former;
  ASSERT_TRUE(former.prepare(config(1, {http})));
  Listeners listeners;
  const int fd = ::fcntl(former.of(0)[0].fd.get(), F_DUPFD_CLOEXEC, 3);
  listeners.adopt(0, former.of(0)[0].info, os::Fd(fd));
  listeners.adopt(0, former.of(0)[0].info, os::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)));  // twice found is once kept
  ASSERT_TRUE(listeners.prepare(config(1, {http})));
  EXPECT_EQ(fds(listeners, 0), std::vector<int>{fd});
}

TEST(Listeners, OthersAreDropped) {
  const Endpoint one{"127.0.0.1", free_port()}, two{"127.0.0.1", free_port()};
  Listeners listeners;
  ASSERT_TRUE(listeners.prepare(config(2, {one})));
  ASSERT_TRUE(listeners.prepare(config(1, {two})));
  EXPECT_TRUE(accepts(one)) << "until it is sure";
  listeners.drop_others(config(1, {two}));
  EXPECT_FALSE(accepts(one));
  EXPECT_TRUE(accepts(two));
  EXPECT_TRUE(listeners.of(1).empty());
}

TEST(Listeners, APreparationCanBeTakenBack) {
  const Endpoint one{"127.0.0.1", free_port()}, two{"127.0.0.1", free_port()};
  Listeners listeners;
  ASSERT_TRUE(listeners.prepare(config(1, {one})));
  const auto before = fds(listeners, 0);
  ASSERT_TRUE(listeners.prepare(config(2, {two})));
  listeners.drop_others(config(1, {one}));
  EXPECT_EQ(fds(listeners, 0), before);
  EXPECT_FALSE(accepts(two));
}

TEST(Listeners, AnAddressThatIsTakenIsNamedAndNothingHasChanged) {
  const Endpoint free{"127.0.0.1", free_port()}, taken{"127.0.0.1", free_port()};
  const os::Fd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(taken.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);

  Listeners listeners;
  const auto before = test::open_descriptors();
  const auto made = listeners.prepare(config(1, {free, taken}));
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().text.starts_with("cannot bind " + to_string(taken))) << made.error().text;
  EXPECT_NE(made.error().text.find("another server listens there"), std::string::npos);
  EXPECT_TRUE(listeners.of(0).empty());
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST(Listeners, AnAddressThatIsNotOursIsNamed) {
  Listeners listeners;
  const auto made = listeners.prepare(config(1, {{"192.0.2.1", 8080}}));
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().text.starts_with("cannot bind 192.0.2.1:8080")) << made.error().text;
  EXPECT_FALSE(listeners.prepare(config(1, {{"localhost", 8080}})));
}

// What systemd would be told: its datagram socket is ours.
class Notified : public ::testing::Test {
 protected:
  Notified() : path_("/tmp/fleetd-notify-" + std::to_string(::getpid())) {
    socket_ = std::move(*os::bind_unix_datagram(path_, 0600));
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~Notified() override {
    ::unsetenv("NOTIFY_SOCKET");
    std::filesystem::remove(path_);
  }
  // The next message; empty: none. sd_pid_notify_with_fds(3) sends at once.
  std::string next(int* fds = nullptr) {
    char bytes[4096];
    alignas(cmsghdr) char control[256];
    iovec part{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const auto got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    for (auto* header = CMSG_FIRSTHDR(&message); got > 0 && header; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_type != SCM_RIGHTS) continue;
      if (fds) ++*fds;
      ::close(*reinterpret_cast<int*>(CMSG_DATA(header)));
    }
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : "";
  }
  std::string path_;
  os::Fd socket_;
};

TEST_F(Notified, SystemdIsGivenEveryListenerByName) {
  const Endpoint http{"127.0.0.1", free_port()};
  Listeners listeners;
  ASSERT_TRUE(listeners.prepare(config(2, {http})));
  listeners.keep_with_systemd();
  int sent = 0;
  const wire::ListenerInfo info{wire::Scheme::http, http};
  EXPECT_EQ(next(&sent), "FDSTORE=1\nFDNAME=" + store_name(0, info));
  EXPECT_EQ(next(&sent), "FDSTORE=1\nFDNAME=" + store_name(1, info));
  EXPECT_EQ(sent, 2);
  EXPECT_EQ(next(), "");
}

TEST_F(Notified, SystemdIsToldToLetGoOfWhatIsDropped) {
  const Endpoint http{"127.0.0.1", free_port()};
  Listeners listeners;
  ASSERT_TRUE(listeners.prepare(config(2, {http})));
  listeners.drop_others(config(1, {http}));
  EXPECT_EQ(next(), "FDSTOREREMOVE=1\nFDNAME=" + store_name(1, {wire::Scheme::http, http}));
  EXPECT_EQ(next(), "");
}

}  // namespace
}  // namespace fleet
