// What a real worker tells of its requests: figures over its link, lines in access logs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "client.hpp"
#include "http2_client.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What the worker has told last of each release.
class Told {
 public:
  explicit Told(WorkerProcess& worker) : worker_(worker) {}

  // Asks until `wanted` is so of that release; a test failure if it does not become so.
  wire::ReleaseFigures of(const std::string& app, std::uint64_t release,
                          const std::function<bool(const wire::ReleaseFigures&)>& wanted) {
    for (int round = 0; round < 20 && !::testing::Test::HasFailure(); ++round) {
      const auto& known = last_[{app, release}];
      if (wanted(known)) return known;
      worker_.send(wire::StatsRequest{});
      for (auto& figures : worker_.expect<wire::Figures>().releases) last_[{figures.app, figures.release}] = figures;
    }
    ADD_FAILURE() << "not told of " << app << " " << release;
    return {};
  }

 private:
  WorkerProcess& worker_;
  std::map<std::pair<std::string, std::uint64_t>, wire::ReleaseFigures> last_;
};

auto has_code(const std::string& code, std::uint64_t count) {
  return [=](const wire::ReleaseFigures& figures) {
    const auto found = figures.codes.find(code);
    return found != figures.codes.end() && found->second == count;
  };
}

std::uint64_t all_of(const wire::Latencies& latencies) {
  std::uint64_t sum = 0;
  for (const auto count : latencies.counts) sum += count;
  return sum;
}

// A file as fleetd opens it.
class LogTarget {
 public:
  LogTarget() {
    std::string name = "/tmp/fleet-access-XXXXXX";
    fd_.reset(::mkostemp(name.data(), O_CLOEXEC | O_APPEND));
    ::unlink(name.c_str());
  }
  int fd() const { return fd_.get(); }
  std::string text() const {
    std::string all(1 << 20, '\0');
    const auto got = ::pread(fd_.get(), all.data(), all.size(), 0);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return all;
  }
  // Waits until `part` is there.
  std::string with(const std::string& part) const {
    std::string all;
    EXPECT_TRUE(eventually([&] { return (all = text()).find(part) != all.npos; })) << part << " is not in " << all;
    return all;
  }

 private:
  os::Fd fd_;
};

void publish(WorkerProcess& worker, const Route& route, int log) {
  wire::Table table;
  table.table.generation = ++worker.generation;
  table.table.routes = {route};
  if (log >= 0) table.access_logs = {route.app};
  worker.send(table, log >= 0 ? std::vector{log} : std::vector<int>());
  EXPECT_EQ(worker.expect<wire::TableAck>().error, "");
}

TEST(Seeing, TellsFiguresByReleaseAndCode) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      const int status = request.has("/missing") ? 404 : request.has("/odd") ? 299 : 200;
      if (!connection.answer("1234567890", "", status)) return;
    }
  });
  WorkerProcess worker;
  auto route = route_to({{"a", origin.port()}});
  route.hosts = {"shop.test"};
  worker.start(slot, {route});
  Client client(slot.http);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.post("/x", "abc").status, 200);
  EXPECT_EQ(client.get("/missing").status, 404);
  EXPECT_EQ(client.get("/odd").status, 299);
  EXPECT_EQ(Client(slot.http).get("/", "nobody.test").status, 404);
  Client malformed(slot.http);
  malformed.send("GET\r\n\r\n");
  EXPECT_EQ(malformed.read_answer().status, 400);

  Told told(worker);
  const auto figures = told.of("shop", 1, has_code("2xx", 1));
  EXPECT_TRUE(has_code("200", 5)(figures));
  EXPECT_TRUE(has_code("404", 1)(figures));
  EXPECT_EQ(all_of(figures.first_byte), 7u);
  EXPECT_EQ(all_of(figures.total), 7u);
  EXPECT_GT(figures.total.sum_us, 0u);
  EXPECT_EQ(figures.bytes_in, 15u);
  EXPECT_EQ(figures.bytes_out, 70u);
  const auto unrouted = told.of("", 0, has_code("400", 1));
  EXPECT_TRUE(has_code("404", 1)(unrouted));
  EXPECT_EQ(unrouted.own_errors.at("no-route"), 1u);
}

TEST(Seeing, TellsFailuresRetriesAndWhatIsOurOwn) {
  Slot slot;
  Origin closes([](OriginConnection& connection) {
    OriginConnection::Request request;
    connection.read_request(request);
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", closes.port()}})});
  EXPECT_EQ(Client(slot.http).post("/x", "abc").status, 502);
  Told told(worker);
  const auto figures = told.of("shop", 1, has_code("502", 1));
  EXPECT_EQ(figures.upstream_failures.at("closed"), 1u);
  EXPECT_EQ(figures.own_errors.at("upstream-closed"), 1u);
  EXPECT_EQ(all_of(figures.first_byte), 0u);

  EXPECT_EQ(Client(slot.http).get("/x").status, 502);
  EXPECT_EQ(told.of("shop", 1, has_code("502", 2)).retries, 1u);
}

TEST(Seeing, TellsAllAgainOnANewLink) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  EXPECT_EQ(Client(slot.http).get("/").status, 200);
  Told(worker).of("shop", 1, has_code("200", 1));
  worker.hang_up();
  worker.dial();
  Told(worker).of("shop", 1, has_code("200", 1));
}

TEST(Seeing, TellsAReleaseALastTimeWhenItHasLeft) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  auto old = route_to({{"a", origin.port()}}), next = route_to({{"b", origin.port()}});
  next.releases[0].release = 2;
  worker.start(slot, {old});
  EXPECT_EQ(Client(slot.http).get("/").status, 200);
  worker.publish({next});
  EXPECT_EQ(Client(slot.http).get("/").status, 200);
  Told told(worker);
  const auto gone = told.of("shop", 1, [](const wire::ReleaseFigures& figures) { return figures.last; });
  EXPECT_TRUE(has_code("200", 1)(gone));
  EXPECT_FALSE(told.of("shop", 2, has_code("200", 1)).last);
}

TEST(Seeing, CountsHandshakes) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  EXPECT_EQ(Client(slot.https, Client::Tls{"shop.test"}).get("/").status, 200);
  Client plain(slot.https);
  plain.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_TRUE(plain.at_end());
  const auto stats = worker.stats();
  ASSERT_EQ(stats.handshakes.size(), 1u);
  EXPECT_EQ(stats.handshakes[0], (wire::HandshakeCount{"TLSv1.3", 1, 0}));
  EXPECT_EQ(stats.failed_handshakes, 1u);
}

TEST(Seeing, LogsInTheFormatOfTheRoute) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  auto route = route_to({{"a", origin.port()}});
  worker.start(slot, {route});
  LogTarget combined, json;
  route.access_log = AccessLog::combined;
  publish(worker, route, combined.fd());
  Client client(slot.http);
  client.get("/\"quoted", "shop.test", "User-Agent: a \"b\" \\c\r\nReferer: https://r/\r\n");
  const auto line = combined.with("\n");
  EXPECT_THAT(line, ::testing::StartsWith("127.0.0.1 - - ["));
  EXPECT_THAT(line, ::testing::EndsWith("] \"GET /\\x22quoted HTTP/1.1\" 200 2 \"https://r/\" \"a \\x22b\\x22 \\x5Cc\"\n"));

  route.access_log = AccessLog::json;
  publish(worker, route, json.fd());
  client.get("/again", "shop.test", "User-Agent: curl\r\n");
  const auto object = json.with("\n");
  EXPECT_THAT(object, HasSubstr("\"path\":\"/again\",\"protocol\":\"HTTP/1.1\",\"status\":200"));
  EXPECT_THAT(object, HasSubstr("\"user_agent\":\"curl\"}\n"));
  EXPECT_EQ(combined.text(), line);

  route.access_log = AccessLog::off;
  publish(worker, route, -1);
  client.get("/unseen");
  route.access_log = AccessLog::json;
  LogTarget last;
  publish(worker, route, last.fd());
  client.get("/seen");
  EXPECT_EQ(last.with("/seen").find("/unseen"), std::string::npos);
  EXPECT_EQ(json.text(), object);
}

// "ann" with "secret".
constexpr const char* kUsers = "ann:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA\n";
constexpr const char* kRight = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
constexpr const char* kWrong = "Authorization: Basic YW5uOndyb25n\r\n";

TEST(Seeing, LogsWhoHasLoggedInAndNobodyElse) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  auto route = route_to({{"a", origin.port()}});
  Rules open, closed;
  closed.path = "/in";
  closed.auth.users = "users";
  closed.rewrites = {{"^/in/moved", "/in/", 302}};
  route.rules = {open, closed};
  route.files = {{"users", kUsers}};
  worker.start(slot, {route});
  LogTarget json, combined;
  publish(worker, route, json.fd());
  Client client(slot.http);
  const auto line_of = [&](const std::string& path, const std::string& fields, int status) {
    EXPECT_EQ(client.get(path, "shop.test", fields).status, status) << path;
    const auto all = json.with("\"path\":\"" + path + "\"");
    const auto at = all.find("\"path\":\"" + path + "\""), begin = all.rfind('\n', at) + 1;
    return all.substr(begin, all.find('\n', at) - begin);
  };
  EXPECT_THAT(line_of("/in/right", kRight, 200), HasSubstr(",\"client\":\"127.0.0.1\",\"user\":\"ann\",\"method\":"));
  EXPECT_THAT(line_of("/in/again", kRight, 200), HasSubstr("\"user\":\"ann\""));
  EXPECT_THAT(line_of("/in/moved", kRight, 302), HasSubstr("\"user\":\"ann\""));
  EXPECT_THAT(line_of("/in/wrong", kWrong, 401), Not(HasSubstr("\"user\"")));
  EXPECT_THAT(line_of("/in/none", "", 401), Not(HasSubstr("\"user\"")));
  EXPECT_THAT(line_of("/out", kRight, 200), Not(HasSubstr("\"user\""))) << "nobody has looked at it";

  route.access_log = AccessLog::combined;
  publish(worker, route, combined.fd());
  client.get("/in/right", "shop.test", kRight);
  client.get("/in/wrong", "shop.test", kWrong);
  const auto lines = combined.with("/in/wrong");
  EXPECT_THAT(lines, HasSubstr("127.0.0.1 - ann ["));
  EXPECT_THAT(lines, HasSubstr("\n127.0.0.1 - - ["));
}

TEST(Seeing, CountsTheBytesOfOurOwnAnswers) {
  Slot slot;
  Origin origin([](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request)) {
      if (!connection.answer("what the application says", "", request.has("/fail") ? 500 : 200)) return;
    }
  });
  WorkerProcess worker;
  auto route = route_to({{"a", origin.port()}});
  Rules rules;
  rules.errors.pages["500"] = "page";
  rules.errors.intercept = true;
  rules.rewrites = {{"^/moved", "/", 302}};
  route.rules = {rules};
  route.files = {{"page", "<h1>sorry</h1>"}};
  route.hosts = {"shop.test"};
  worker.start(slot, {route});
  LogTarget log;
  publish(worker, route, log.fd());
  const auto logged = [&](const std::string& path) {
    const auto all = log.with("\"path\":\"" + path + "\"");
    const auto at = all.find("\"bytes_out\":", all.find("\"path\":\"" + path + "\""));
    return std::stoul(all.substr(at + 12));
  };
  Client client(slot.http);
  const auto moved = client.get("/moved").body.size();
  EXPECT_GT(moved, 0u);
  EXPECT_EQ(logged("/moved"), moved);
  client.get("/fail");
  EXPECT_EQ(logged("/fail"), 14u);
  Client head(slot.http);
  head.send("HEAD /moved?head HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_EQ(head.read_answer(true).status, 302);
  EXPECT_EQ(logged("/moved?head"), 0u);

  Http2Client http2(slot.https);
  EXPECT_EQ(http2.fetch(Http2Client::get("/moved?2")).body.size(), moved);
  EXPECT_EQ(logged("/moved?2"), moved);
  EXPECT_EQ(http2.fetch(Http2Client::get("/fail?2")).body, "<h1>sorry</h1>");
  EXPECT_EQ(logged("/fail?2"), 14u);

  std::uint64_t unrouted = Client(slot.http).get("/", "nobody.test").body.size();
  Client malformed(slot.http);
  malformed.send("GET\r\n\r\n");
  unrouted += malformed.read_answer().body.size();
  Told told(worker);
  EXPECT_EQ(told.of("", 0, has_code("400", 1)).bytes_out, unrouted);
  EXPECT_EQ(told.of("shop", 0, has_code("302", 3)).bytes_out, 2 * moved);
  EXPECT_EQ(told.of("shop", 1, has_code("500", 2)).bytes_out, 28u);
}

TEST(Seeing, WritesToAnotherFileWithoutANewTable) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  const auto route = route_to({{"a", origin.port()}});
  worker.start(slot, {route});
  LogTarget before, after;
  publish(worker, route, before.fd());
  Client client(slot.http);
  client.get("/one");
  wire::AccessLogs anew;
  anew.apps = {"shop"};
  worker.send(anew, {after.fd()});
  (void)worker.stats();  // it has taken it
  client.get("/two");
  EXPECT_EQ(after.with("/two").find("/one"), std::string::npos);
  EXPECT_EQ(before.with("/one").find("/two"), std::string::npos);
  EXPECT_EQ(worker.stats().log_lines_lost, 0u);
}

#ifndef __SANITIZE_ADDRESS__
TEST(Seeing, ConfinesTheThreadThatWritesLogsToo) {
  WorkerProcess worker;
  std::size_t threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(worker.pid()) + "/task")) {
    ++threads;
    std::stringstream status;
    status << std::ifstream(task.path() / "status").rdbuf();
    EXPECT_THAT(status.str(), HasSubstr("\nSeccomp:\t2\n"));
    EXPECT_THAT(status.str(), HasSubstr("\nNoNewPrivs:\t1\n"));
  }
  EXPECT_EQ(threads, 2u);
}
#endif

TEST(Seeing, ServesOnWhileTheDiskOfItsLogHangsAndEnds) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  const auto route = route_to({{"a", origin.port()}});
  worker.start(slot, {route});
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const os::Fd out(ends[0]), in(ends[1]);
  ::fcntl(in.get(), F_SETPIPE_SZ, 4096);  // a write that does not fit blocks, as on a disk that hangs
  publish(worker, route, in.get());
  Client client(slot.http);
  const auto began = std::chrono::steady_clock::now();
  const std::string path = "/" + std::string(3000, 'x');
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.get(path).status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
  wire::DrainWorker drain;
  drain.deadline = milliseconds(100);
  worker.send(drain);
  worker.expect<wire::WorkerDrained>();
  EXPECT_EQ(worker.wait_exit(), 0);
}

TEST(Seeing, CountsAndNamesLinesThatAFullDiskDoesNotTake) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  const auto route = route_to({{"a", origin.port()}});
  worker.start(slot, {route});
  const os::Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  publish(worker, route, full.get());
  Client client(slot.http);
  for (int i = 0; i < 3; ++i) client.get("/lost");
  while (worker.stats().log_lines_lost < 3) {
  }
  LogTarget better;
  wire::AccessLogs anew;
  anew.apps = {"shop"};
  worker.send(anew, {better.fd()});
  (void)worker.stats();
  client.get("/kept");
  EXPECT_THAT(better.with("/kept"), HasSubstr("\"app\":\"shop\",\"lines_lost\":3}\n{"));
}

}  // namespace
}  // namespace fleet::test
