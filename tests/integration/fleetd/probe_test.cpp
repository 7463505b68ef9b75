#include "probes.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "os/fd.hpp"
#include "run.hpp"

namespace fleet {
namespace {

using plan::ProbeOutcome;
using test::open_descriptors;

os::Fd listen_anywhere(std::uint16_t& port) {
  os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::listen(fd.get(), 8);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

// Answers every connection with these bytes; keeps it open when `hold`.
class Server {
 public:
  explicit Server(std::string answer, bool hold = false) : answer_(std::move(answer)), hold_(hold) {
    listener_ = listen_anywhere(port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::uint16_t port = 0;
  std::string request() {
    thread_done_.wait(false);
    return request_;
  }

 private:
  void serve() {
    std::vector<os::Fd> held;
    while (!stop_) {
      os::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      char bytes[4096];
      const auto got = ::recv(client.get(), bytes, sizeof bytes, 0);
      if (got > 0) request_.assign(bytes, static_cast<std::size_t>(got));
      thread_done_ = true;
      thread_done_.notify_all();
      ::send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
      if (hold_) held.push_back(std::move(client));
    }
  }
  std::string answer_, request_;
  bool hold_;
  std::atomic<bool> stop_{false}, thread_done_{false};
  os::Fd listener_;
  std::thread thread_;
};

// Answers every request on every connection that it takes, and takes only so many.
class KeepingServer {
 public:
  explicit KeepingServer(std::string answer, unsigned takes = 1000, bool closes = false, milliseconds thinks = {})
      : answer_(std::move(answer)), takes_(takes), closes_(closes), thinks_(thinks) {
    listener_ = listen_anywhere(port);
    thread_ = std::thread([this] { serve(); });
  }
  ~KeepingServer() {
    stop_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  // Says so unasked on the connections that there are, and closes them.
  void tire_of_waiting(std::string text) {
    farewell_ = std::move(text);
    tired_ = true;
    tired_.wait(true);
  }
  std::uint16_t port = 0;
  std::atomic<unsigned> connections{0}, ended{0};

 private:
  void serve() {
    std::vector<os::Fd> clients;
    while (!stop_) {
      if (tired_) {
        for (const auto& client : clients) ::send(client.get(), farewell_.data(), farewell_.size(), MSG_NOSIGNAL);
        clients.clear();
        tired_ = false;
        tired_.notify_all();
      }
      std::vector<pollfd> fds{{connections < takes_ ? listener_.get() : -1, POLLIN, 0}};
      for (const auto& client : clients) fds.push_back({client.get(), POLLIN, 0});
      if (::poll(fds.data(), fds.size(), 20) <= 0) continue;
      for (std::size_t i = fds.size() - 1; i > 0; --i) {
        if (fds[i].revents == 0) continue;
        const auto client = clients.begin() + static_cast<std::ptrdiff_t>(i) - 1;
        char bytes[4096];
        const bool more = ::recv(client->get(), bytes, sizeof bytes, 0) > 0;
        if (more) std::this_thread::sleep_for(thinks_);
        if (more) ::send(client->get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        if (more && !closes_) continue;
        if (!more) ++ended, ended.notify_all();
        clients.erase(client);
      }
      if (fds[0].revents == 0 || stop_) continue;
      os::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) continue;
      ++connections;
      clients.push_back(std::move(client));
    }
  }
  std::string answer_;
  std::string farewell_;
  std::atomic<bool> tired_{false};
  const unsigned takes_;
  const bool closes_;
  const milliseconds thinks_;
  std::atomic<bool> stop_{false};
  os::Fd listener_;
  std::thread thread_;
};

struct Probing : ::testing::Test {
  Probing() {
    target.host = "shop.example.com";
    target.health.path = "/health";
    target.health.timeout = milliseconds(3000);
  }
  ProbeReport ask(std::uint16_t port) {
    target.port = port;
    return test::run(io, probe(io, target));
  }
  ProbeReport answered(const std::string& answer, bool hold = false) {
    Server server(answer, hold);
    return ask(server.port);
  }
  net::asio::io_context io{1};
  ProbeTarget target;
};

TEST_F(Probing, TwoAndThreeHundredsPass) {
  for (const auto* status : {"200 OK", "204 No Content", "302 Found", "399 Odd"}) {
    EXPECT_EQ(answered("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\n\r\n").outcome, ProbeOutcome::passed) << status;
  }
  EXPECT_EQ(answered("HTTP/1.0 200 OK\r\n\r\nbody").outcome, ProbeOutcome::passed);
}

TEST_F(Probing, OtherStatusesFailAndSaySo) {
  for (const auto* status : {"404", "500", "503", "199", "400"}) {
    const auto report = answered("HTTP/1.1 " + std::string(status) + " No\r\n\r\n");
    EXPECT_EQ(report.outcome, ProbeOutcome::failed);
    EXPECT_EQ(report.detail, "GET /health answered " + std::string(status));
  }
}

TEST_F(Probing, AskAsAPlainClientThatLeaves) {
  Server server("HTTP/1.1 200 OK\r\n\r\n");
  ask(server.port);
  const auto request = server.request();
  EXPECT_TRUE(request.starts_with("GET /health HTTP/1.1\r\nHost: shop.example.com\r\n")) << request;
  EXPECT_NE(request.find("\r\nConnection: close\r\n"), std::string::npos);
}

struct KeptProbes : Probing {
  plan::ProbeOutcome ask_again(const KeepingServer& server) {
    target.port = server.port;
    std::optional<ProbeReport> told;
    tell = [&](ProbeReport report) { told = std::move(report); };
    probes.begin("shop", "shop-v1-1", target, true);
    io.restart();
    io.run();
    detail = told.value().detail;
    return told->outcome;
  }
  std::function<void(ProbeReport)> tell;
  net::TaskGroup tasks{io};
  Probes probes{io, tasks, [this](const std::string&, const std::string&, ProbeReport report) { tell(std::move(report)); }};
  std::string detail;
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
};

TEST_F(KeptProbes, ShareAConnectionAndNowAndThenMakeANewOne) {
  KeepingServer server(ok);
  for (unsigned i = 0; i < ProbeLine::kProbes; ++i) ASSERT_EQ(ask_again(server), ProbeOutcome::passed) << i;
  EXPECT_EQ(server.connections, 1u);
  ASSERT_EQ(ask_again(server), ProbeOutcome::passed);
  EXPECT_EQ(server.connections, 2u);
}

TEST_F(KeptProbes, TakeAConnectionThatTheServerHasClosedForNothingAtAll) {
  KeepingServer server(ok, 1000, true);  // without a word of it
  for (unsigned i = 1; i <= 20; ++i) {
    ASSERT_EQ(ask_again(server), ProbeOutcome::passed) << i << ": " << detail;
    EXPECT_EQ(server.connections, i);
  }
}

TEST_F(KeptProbes, WaitForAnAnswerThatComesLateAndNotForOneThatComesTooLate) {
  KeepingServer server(ok, 1000, false, milliseconds(150));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_again(server), ProbeOutcome::passed) << detail;
  EXPECT_EQ(server.connections, 1u);
  target.health.timeout = milliseconds(30);
  EXPECT_EQ(ask_again(server), ProbeOutcome::failed);
  EXPECT_EQ(detail, "no answer within 30ms");
}

TEST_F(KeptProbes, FindAServerThatServesWhatItHasButTakesNoMore) {
  target.health.timeout = milliseconds(50);
  KeepingServer server(ok, 1);
  for (unsigned i = 0; i < ProbeLine::kProbes; ++i) ASSERT_EQ(ask_again(server), ProbeOutcome::passed) << i;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask_again(server), ProbeOutcome::failed) << "and until it takes one";
    EXPECT_EQ(detail, "no answer within 50ms");
  }
}

TEST_F(KeptProbes, WaitForNoBodyAndKeepNoConnectionWhoseBodyIsLongOrWithoutEnd) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  struct Case {
    std::string answer;
    unsigned connections;  // for three probes
  };
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (const auto& [answer, connections] : {
           Case{head + "Content-Length: 0\r\n\r\n", 1}, Case{chunked + "2\r\nok\r\n0\r\n\r\n", 1},
           Case{chunked + "2\r\nok\r\n", 3}, Case{head + "Content-Length: 3\r\n\r\nok", 3},
           Case{head + "Content-Length: 1\r\n\r\nok", 3}, Case{head + "\r\n", 3},
           Case{head + "Connection: close\r\nContent-Length: 0\r\n\r\n", 3},
           Case{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 3},
           Case{head + "Content-Length: 100000\r\n\r\n" + std::string(100000, 'x'), 3}}) {
    KeepingServer server(answer);
    probes.hang_up("shop", [](const std::string&) { return false; });
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_again(server), ProbeOutcome::passed) << answer.substr(0, 80);
    EXPECT_EQ(server.connections, connections) << answer.substr(0, 80);
  }
}

TEST_F(KeptProbes, ThatFailUseANewConnectionNextTime) {
  KeepingServer server("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  for (unsigned i = 1; i <= 3; ++i) {
    EXPECT_EQ(ask_again(server), ProbeOutcome::failed);
    EXPECT_EQ(server.connections, i);
  }
}

TEST_F(KeptProbes, TakeWhatAServerSaysAsItClosesAnIdleConnectionForNoAnswer) {
  KeepingServer server(ok);
  ASSERT_EQ(ask_again(server), ProbeOutcome::passed);
  server.tire_of_waiting("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(ask_again(server), ProbeOutcome::passed) << detail;
  EXPECT_EQ(server.connections, 2u);
}

TEST_F(KeptProbes, LeaveNothingOpenOnceTheyAreGivenUp) {
  KeepingServer server(ok);
  ASSERT_EQ(ask_again(server), ProbeOutcome::passed);
  probes.hang_up("shop", [](const std::string& instance) { return instance == "shop-v1-1"; });
  ASSERT_EQ(ask_again(server), ProbeOutcome::passed);
  EXPECT_EQ(server.connections, 1u);
  probes.hang_up("shop", [](const std::string&) { return false; });
  server.ended.wait(0);
}

TEST_F(KeptProbes, OfWhichTwoAreUnderWayDoNotShareAConnection) {
  KeepingServer server(ok, 1000, false, milliseconds(150));
  ASSERT_EQ(ask_again(server), ProbeOutcome::passed);
  for (unsigned others = 1; others <= 3; ++others) {
    std::vector<ProbeOutcome> told;
    tell = [&](ProbeReport report) { told.push_back(report.outcome); };
    net::Timer timer(io, milliseconds(40));  // when the one before is waited for
    for (unsigned i = 0; i < 1 + others; ++i) probes.begin("shop", "shop-v1-1", target, true);
    timer.async_wait([&](boost::system::error_code) { probes.begin("shop", "shop-v1-1", target, true); });
    io.restart();
    io.run();
    EXPECT_EQ(told, std::vector(2 + others, ProbeOutcome::passed));
  }
}

TEST_F(KeptProbes, FailWhereTheyAreGivenUpUnderWay) {
  KeepingServer server(ok, 1000, false, milliseconds(150));
  ASSERT_EQ(ask_again(server), ProbeOutcome::passed);
  net::Timer timer(io, milliseconds(30));
  timer.async_wait([&](boost::system::error_code) { probes.hang_up("shop", [](const std::string&) { return false; }); });
  EXPECT_EQ(ask_again(server), ProbeOutcome::failed);
  EXPECT_EQ(server.connections, 1u) << "nobody is asked any more";
}

TEST_F(Probing, PassOnceTheHeadIsThereWhateverTheBodyDoes) {
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", true).outcome, ProbeOutcome::passed);
}

TEST_F(Probing, WhatIsNotHttpFails) {
  for (const auto* garbage : {"SSH-2.0-x\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "\r\n\r\n"}) {
    const auto report = answered(garbage);
    EXPECT_EQ(report.outcome, ProbeOutcome::failed);
    EXPECT_EQ(report.detail, "did not answer in HTTP/1") << garbage;
  }
}

TEST_F(Probing, AnEndlessHeadFails) {
  const auto report = answered("HTTP/1.1 200 OK\r\n" + std::string(100'000, 'x'), true);
  EXPECT_EQ(report.outcome, ProbeOutcome::failed);
  EXPECT_EQ(report.detail, "answered with a head of more than 16 KiB");
}

TEST_F(Probing, AConnectionThatIsClosedFails) {
  const auto report = answered("HTTP/1.1 200 O");
  EXPECT_EQ(report.outcome, ProbeOutcome::failed);
  EXPECT_EQ(report.detail, "closed the connection without an answer");
}

TEST_F(Probing, NobodyListeningIsToldApart) {
  std::uint16_t port = 0;
  { const auto closed = listen_anywhere(port); }
  EXPECT_EQ(ask(port).outcome, ProbeOutcome::refused);
}

TEST_F(Probing, AServerThatHangsFailsAtTheTimeout) {
  target.health.timeout = milliseconds(50);
  for (const auto* answer : {"", "HTTP/1.1 200 OK\r\n"}) {
    const auto report = answered(answer, true);
    EXPECT_EQ(report.outcome, ProbeOutcome::failed);
    EXPECT_EQ(report.detail, "no answer within 50ms");
  }
}

TEST_F(Probing, ByTcpAConnectionIsEnough) {
  target.health.kind = HealthKind::tcp;
  std::uint16_t port = 0;
  {
    const auto listener = listen_anywhere(port);
    EXPECT_EQ(ask(port).outcome, ProbeOutcome::passed);
  }
  EXPECT_EQ(ask(port).outcome, ProbeOutcome::refused);
}

TEST_F(Probing, ByCommandItsExitCodeDecides) {
  target.health.kind = HealthKind::command;
  target.launch.cwd = "/";
  target.launch.argv = {"/bin/sh", "-c", "test \"$PORT\" = 5"};
  target.launch.env = {{"PORT", "5"}};
  EXPECT_EQ(ask(0).outcome, ProbeOutcome::passed);
  target.launch.argv = {"/bin/sh", "-c", "exit 3"};
  EXPECT_EQ(ask(0).detail, "the check exited with code 3");
  target.launch.argv = {"./no-such-check"};
  const auto report = ask(0);
  EXPECT_EQ(report.outcome, ProbeOutcome::failed);
  EXPECT_NE(report.detail.find("no-such-check"), std::string::npos) << report.detail;
}

TEST_F(Probing, ByCommandTooSlowFails) {
  target.health.kind = HealthKind::command;
  target.health.timeout = milliseconds(50);
  target.launch.argv = {"/bin/sleep", "100"};
  target.launch.cwd = "/";
  EXPECT_EQ(ask(0).detail, "the check did not end within 50ms");
}

TEST_F(Probing, GoToASocketInPlaceOfAPort) {
  char made[] = "/tmp/fleet-probe-test-XXXXXX";
  const std::string dir = ::mkdtemp(made);
  target.socket = dir + "/http";
  target.health.kind = HealthKind::tcp;
  EXPECT_EQ(ask(0).outcome, ProbeOutcome::refused) << "it is not there yet";
  os::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  target.socket.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(ask(0).outcome, ProbeOutcome::refused);
  ASSERT_EQ(::listen(listener.get(), 8), 0);
  EXPECT_EQ(ask(0).outcome, ProbeOutcome::passed);
  listener.reset();
  EXPECT_EQ(ask(0).outcome, ProbeOutcome::refused) << "a stale one";
  std::filesystem::remove_all(dir);
  target.socket.assign(200, 'x');
  EXPECT_EQ(ask(0).outcome, ProbeOutcome::failed);
}

TEST_F(Probing, LeaveNoDescriptorBehind) {
  ask(1);
  target.launch.cwd = "/";
  const auto before = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    answered("HTTP/1.1 200 OK\r\n\r\n");
    answered("nonsense\r\n\r\n");
    target.health.timeout = milliseconds(20);
    answered("", true);
    target.health.kind = HealthKind::command;
    target.launch.argv = {"/bin/true"};
    ask(0);
    target.launch.argv = {"/bin/sleep", "100"};
    ask(0);
    target.health = HealthConfig{};
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace fleet
