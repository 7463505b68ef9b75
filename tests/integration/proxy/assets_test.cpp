// Files of releases that are kept, for pages of theirs that browsers still show: what the application answers with 404.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "client.hpp"
#include "http2_client.hpp"
#include "origin.hpp"
#include "os/process_tree.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// Knows "/" and "/assets/new.js", and says 404 of all else in its own words.
void current_release(OriginConnection& connection) {
  OriginConnection::Request request;
  while (connection.read_request(request)) {
    const auto line = request.line();
    const bool head = line.starts_with("HEAD");
    if (line.find(" / ") != std::string::npos || line.find(" /assets/new.js") != std::string::npos) {
      connection.answer("new");
    } else if (line.find("/chunked") != std::string::npos) {
      connection.send("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n");
    } else if (head) {
      connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nX-Own: yes\r\n\r\n");
    } else {
      connection.answer("own", "X-Own: yes\r\n", 404);
    }
  }
}

class Assets : public testing::Test {
 protected:
  Assets() {
    char dir[] = "/tmp/fleet-assets-test-XXXXXX";
    dir_ = ::mkdtemp(dir);
  }
  ~Assets() override {
    worker.reset();
    fs::remove_all(dir_);
  }

  std::string release(int number) const { return dir_ + "/" + std::to_string(number); }
  void put(int of_release, const std::string& file, const std::string& text) const {
    const auto path = release(of_release) + "/" + file;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  Route route() const {
    auto made = route_to({{"a", origin->port()}});
    made.releases[0].release = 9;
    for (const int number : {2, 1}) {
      made.assets.push_back({static_cast<std::uint64_t>(number), release(number), {{"/assets/", "public/assets"}}});
    }
    return made;
  }
  void serve(std::vector<std::string> arguments = {}, Origin::Handler handler = current_release) {
    origin.emplace(std::move(handler));
    worker.emplace(std::move(arguments));
    worker->start(slot, {route()});
  }
  // The worker's asset server; 0: none.
  pid_t child() const {
    for (const auto& process : os::processes()) {
      if (process.parent == worker->pid() && !process.zombie) return process.pid;
    }
    return 0;
  }

  std::string dir_;
  Slot slot;
  std::optional<Origin> origin;
  std::optional<WorkerProcess> worker;
};

TEST_F(Assets, AreGivenFromTheNewestReleaseThatHasTheFile) {
  put(1, "public/assets/app-1.js", "one");
  put(1, "public/assets/both.css", "old");
  put(2, "public/assets/both.css", "newer");
  serve();
  Client client(slot.https, Client::Tls{"shop.test"});
  const auto script = client.get("/assets/app-1.js?v=3");
  EXPECT_EQ(script.status, 200);
  EXPECT_EQ(script.body, "one");
  EXPECT_TRUE(script.whole);
  EXPECT_EQ(script.field("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(script.field("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(script.field("Cache-Control"), "public, max-age=3600");
  EXPECT_EQ(script.field("X-Own"), "");
  EXPECT_EQ(client.get("/assets/both.css").body, "newer");
  EXPECT_EQ(client.get("/assets/new.js").body, "new");
  EXPECT_EQ(client.get("/").body, "new");
  EXPECT_EQ(origin->connections(), 1);  // its 404s were at hand as a whole, and left their connection clean
  const auto log = worker->logged("app-1.js");
  EXPECT_NE(log.find("\"target\":\"assets\""), std::string::npos) << log;
  EXPECT_EQ(worker->stats_of("a").failed, 0u);
}

TEST_F(Assets, ThatAreNowhereLeaveTheApplicationItsOwn404) {
  put(1, "public/assets/app-1.js", "one");
  put(1, "public/secret", "secret");
  serve();
  Client client(slot.http);
  for (const auto* path : {"/assets/none.js", "/assets/", "/assets", "/app-1.js", "/public/assets/app-1.js", "/assets/app-1.js/",
                           "/assets/app-1.js/x"}) {
    const auto answer = client.get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.body, "own") << path;
    EXPECT_EQ(answer.field("X-Own"), "yes") << path;
  }
  EXPECT_EQ(client.get("/assets/chunked").body, "own");
  EXPECT_EQ(origin->connections(), 1);
}

TEST_F(Assets, AreNotWhatLiesBesideThem) {
  put(1, "public/assets/app-1.js", "one");
  put(1, "public/assets/.env", "secret");
  put(1, "public/assets/.git/config", "secret");
  put(1, "public/secret", "secret");
  put(1, "public/assets/back\\slash", "secret");
  fs::create_symlink(release(1) + "/public/secret", release(1) + "/public/assets/link");
  fs::create_directory_symlink("/etc", release(1) + "/public/assets/etc");
  fs::create_directory(release(1) + "/public/assets/folder");
  ASSERT_EQ(::mkfifo((release(1) + "/public/assets/pipe").c_str(), 0600), 0);
  put(3, "public/assets/app-3.js", "secret");
  fs::create_directories(release(2));
  fs::create_directory_symlink(release(3) + "/public", release(2) + "/public");
  serve();
  for (const auto* path :
       {"/assets/../secret", "/assets/%2e%2e/secret", "/assets/..%2fsecret", "/assets/%2E%2E%2Fsecret", "/assets//app-1.js",
        "/assets/./app-1.js", "/assets/.env", "/assets/%2eenv", "/assets/.git/config", "/assets/link", "/assets/etc/passwd",
        "/assets/folder", "/assets/pipe", "/assets/app-1.js%00", "/assets/back%5cslash", "/assets/app-3.js",
        "/assets/%5c..%5csecret", "/assets/a/../../secret"}) {
    const auto answer = Client(slot.http).get(path);
    EXPECT_TRUE(answer.status == 404 || answer.status == 400) << path << " " << answer.status;
    EXPECT_EQ(answer.body.find("secret"), std::string::npos) << path;
    if (answer.status == 400) continue;
    EXPECT_EQ(answer.field("X-Own"), "yes") << path;
  }
  Client again(slot.http);
  EXPECT_EQ(again.get("/assets/app-1.js").body, "one");
  EXPECT_EQ(again.get("/assets/%61pp-1.js").body, "one");
}

TEST_F(Assets, AreAskedForByGetAndHeadAlone) {
  put(1, "public/assets/app-1.js", "one");
  serve();
  Client client(slot.http);
  ASSERT_TRUE(client.send("HEAD /assets/app-1.js HTTP/1.1\r\nHost: shop.test\r\n\r\n"));
  const auto head = client.read_answer(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("Content-Length"), "3");
  EXPECT_EQ(client.get("/assets/app-1.js").body, "one");
  const auto post = client.post("/assets/app-1.js", "x");
  EXPECT_EQ(post.status, 404);
  EXPECT_EQ(post.body, "own");
  ASSERT_TRUE(client.send("GET /assets/app-1.js HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\n\r\nx"));
  EXPECT_EQ(client.read_answer().body, "own");
}

TEST_F(Assets, ComeInPartsAndNotAgainWhenUnchanged) {
  put(1, "public/assets/film.mp4", "0123456789");
  serve();
  Client client(slot.http);
  const auto get = [&](const std::string& fields) { return client.get("/assets/film.mp4", "shop.test", fields); };
  const auto whole = get("");
  EXPECT_EQ(whole.body, "0123456789");
  const auto part = get("Range: bytes=2-4\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.field("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(get("Range: bytes=-3\r\n").body, "789");
  EXPECT_EQ(get("Range: bytes=8-\r\nIf-Range: " + whole.field("ETag") + "\r\n").body, "89");
  EXPECT_EQ(get("Range: bytes=8-\r\nIf-Range: \"other\"\r\n").body, "0123456789");
  const auto none = get("Range: bytes=10-\r\n");
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none.field("Content-Range"), "bytes */10");
  const auto unchanged = get("If-None-Match: " + whole.field("ETag") + "\r\n");
  EXPECT_EQ(unchanged.status, 304);
  EXPECT_EQ(unchanged.field("ETag"), whole.field("ETag"));
  EXPECT_EQ(get("If-Modified-Since: " + whole.field("Last-Modified") + "\r\n").status, 304);
  EXPECT_EQ(get("If-None-Match: \"other\"\r\n").status, 200);
}

TEST_F(Assets, OfAnySizeReachSlowClientsAndOthersMeanwhile) {
  std::string large;
  for (int i = 0; large.size() < 20u << 20; ++i) large += std::to_string(i) + "\n";
  put(1, "public/assets/large.bin", large);
  put(1, "public/assets/small.js", "small");
  serve();
  std::vector<std::unique_ptr<Client>> slow;  // more than there are threads
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<Client>(slot.http));
    ASSERT_TRUE(slow.back()->send("GET /assets/large.bin HTTP/1.1\r\nHost: shop.test\r\n\r\n"));
    ASSERT_FALSE(slow.back()->read_some(1).empty());
  }
  Client client(slot.http);
  EXPECT_EQ(client.get("/assets/small.js").body, "small");
  EXPECT_EQ(client.get("/assets/large.bin").body, large);
}

TEST_F(Assets, AreGivenToManyAtOnceOverHttp2) {
  for (int i = 0; i < 100; ++i) {
    put(1, "public/assets/" + std::to_string(i) + ".js", "content " + std::to_string(i) + std::string(5000, 'x'));
  }
  serve();
  Http2Client client(slot.https);
  for (int i = 0; i < 100; ++i) client.begin(Http2Client::get("/assets/" + std::to_string(i) + ".js"));
  for (int i = 0; i < 100; ++i) {
    const auto& answer = client.answer(1 + 2 * i);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "content " + std::to_string(i) + std::string(5000, 'x'));
  }
  EXPECT_EQ(client.fetch(Http2Client::get("/assets/none.js")).body, "own");
}

TEST_F(Assets, FollowARewriteOfThePath) {
  put(1, "public/assets/app-1.js", "one");
  origin.emplace(current_release);
  worker.emplace();
  auto made = route();
  made.path = "/shop";
  Rules rules;
  rules.path = "/shop";
  rules.strip_path = true;
  made.rules = {rules};
  worker->start(slot, {made});
  Client client(slot.http);
  EXPECT_EQ(client.get("/shop/assets/app-1.js").body, "one");
}

TEST_F(Assets, AreMissingWhenTheirServerWasKilledAndNothingElseIs) {
  put(1, "public/assets/app-1.js", "one");
  serve();
  Client client(slot.http);
  EXPECT_EQ(client.get("/assets/app-1.js").body, "one");
  const pid_t server = child();
  ASSERT_GT(server, 0);
  ASSERT_EQ(::kill(server, SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }));  // no zombie stays either
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.get("/assets/app-1.js");
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body, "own");
  }
  EXPECT_EQ(client.get("/").body, "new");
}

TEST_F(Assets, AreGivenUpWhenTheirServerIsStopped) {
  put(1, "public/assets/app-1.js", "one");
  serve({"--timeout", "asset=200"});
  Client client(slot.http);
  const pid_t server = child();
  ASSERT_EQ(::kill(server, SIGSTOP), 0);
  const auto answer = client.get("/assets/app-1.js");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "own");
  ASSERT_EQ(::kill(server, SIGCONT), 0);
  EXPECT_TRUE(eventually([&] { return client.get("/assets/app-1.js").body == "one"; }));
}

TEST_F(Assets, EndWithTheWorker) {
  put(1, "public/assets/app-1.js", "one");
  serve();
  const pid_t server = child();
  ASSERT_GT(server, 0);
  worker->send(wire::DrainWorker{std::chrono::milliseconds(1000)});
  EXPECT_EQ(worker->wait_exit(), 0);
  EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }));
}

TEST_F(Assets, ServerHoldsNothingOfTheWorkersOpen) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may look";
  serve();
  const auto server = child();
  ASSERT_GT(server, 0);
  std::string seen;
  const auto holds_its_own = [&] {
    std::size_t sockets = 0, others = 0;
    seen.clear();
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(server) + "/fd", gone)) {
      const auto leads_to = fs::read_symlink(entry.path(), gone).string();
      seen += leads_to + "\n";
      if (leads_to.starts_with("socket:")) ++sockets;
      else if (leads_to != "/dev/null" && !leads_to.starts_with("anon_inode:[eventfd")) ++others;
    }
    return sockets == 1 && others == 0;
  };
  EXPECT_TRUE(eventually(holds_its_own)) << seen;
}

TEST_F(Assets, OfAFolderThatIsGoneAreNotFound) {
  put(1, "public/assets/app-1.js", "one");
  serve();
  Client client(slot.http);
  EXPECT_EQ(client.get("/assets/app-1.js").body, "one");
  fs::remove_all(release(1));
  EXPECT_EQ(client.get("/assets/app-1.js").body, "own");
}

}  // namespace
}  // namespace fleet::test
