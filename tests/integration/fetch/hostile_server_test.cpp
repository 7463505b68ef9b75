// B1, B2: whatever a server does, the fetch ends in bounded time, says why, and leaves nothing.
#include <chrono>
#include <functional>
#include <ostream>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "server.hpp"

namespace fleet::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;
using namespace std::string_literals;

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 7;
  for (auto& byte : out) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

const std::string kBuild = make_archive(".tar.gz", {{"data", noise(150'000)}});
const std::string kHalf = kBuild.substr(0, kBuild.size() / 2);
const std::string kOk = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

std::string length(std::size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n\r\n"; }

void for_ever(Connection& to, std::string_view bytes) {
  while (to.send(bytes)) continue;
}

struct Case {
  const char* name;
  Server::Handler handler;
  const char* why;
};

// Answers with these bytes and closes.
Server::Handler says(std::string bytes) {
  return [bytes = std::move(bytes)](const Request&, Connection& to) { to.send(bytes); };
}
Server::Handler answers(const char* status, std::string headers = "", std::string body = "<html>no</html>") {
  return [=](const Request&, Connection& to) { to.answer(status, body, headers); };
}
Server::Handler redirects(const char* to_where) {
  return [=](const Request&, Connection& to) { to.redirect(to_where); };
}
Server::Handler stalls(std::string after) {
  return [after = std::move(after)](const Request&, Connection& to) {
    to.send(after);
    to.wait_until_client_leaves();
  };
}
Server::Handler repeats(std::string first, std::string bytes) {
  return [=](const Request&, Connection& to) {
    to.send(first);
    for_ever(to, bytes);
  };
}

void drips(const Request&, Connection& to) {
  to.send(kOk + length(kBuild.size()));
  for (std::size_t at = 0; to.send(kBuild.substr(at, 1)) && at < kBuild.size(); ++at) {
    if (to.receive_within(50ms)) return;
  }
}

const std::vector<Case>& cases() {
  static const std::string bomb = make_archive(".tar.gz", {{"zeros", std::string(64u << 20, '\0')}});
  static const std::vector<Case> all = {
      {"NotFound", answers("404 Not Found"), "server answered 404 Not Found"},
      {"Gone", answers("410 Gone"), "410 Gone"},
      {"Error", answers("500 Internal Server Error"), "500 Internal Server Error"},
      {"Unauthorized", answers("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n"), "401 Unauthorized"},
      {"Forbidden", answers("403 Forbidden"), "403 Forbidden"},
      {"TooManyRequests", answers("429 Too Many Requests", "Retry-After: 99999\r\n"), "429 Too Many Requests"},
      {"Unavailable", answers("503 Service Unavailable"), "503 Service Unavailable"},
      {"StatusOfItsOwn", answers("799 \x1b[31mNo"), "server answered 799"},
      {"LoginPage", answers("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>"), "got an HTML page"},
      {"Json", answers("200 OK", "Content-Type: application/json\r\n", "{\"error\": 1}"), "it has no \"url\""},
      {"NoContent", says("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), "the artifact is empty"},
      {"OtherBuild", answers("200 OK", "", make_archive(".tar.gz", {{"other", "x"}})), "sha256 mismatch"},
      {"NotHttp", says("SSH-2.0-OpenSSH_9.2\r\n"), "HTTP/0.9"},
      {"Nothing", says(""), "empty reply"},
      {"CutInHead", says("HTTP/1.1 200 OK\r\nContent-Le"), "tried 4 times"},
      {"CutInBody", says(kOk + length(kBuild.size()) + kHalf), "tried 4 times"},
      {"Short", says(kOk + length(kBuild.size() + 1) + kBuild), "tried 4 times"},
      {"Long", says(kOk + length(kBuild.size() - 1) + kBuild), "sha256 mismatch"},
      {"LengthBelowZero", says(kOk + "Content-Length: -1\r\n\r\n" + kBuild), "invalid Content-Length"},
      {"LengthNoNumber", says(kOk + "Content-Length: 12a\r\n\r\n" + kBuild), "sha256 mismatch"},
      {"LengthBeyondAll", says(kOk + "Content-Length: 99999999999999999999999\r\n\r\n"), "the artifact is empty"},
      {"LengthBeyondTheLimit", says(kOk + length(1u << 30)), "larger than the limit of 1000000 bytes"},
      {"ChunkOfNoSize", says(kOk + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "tried 4 times"},
      {"ChunksCut", says(kOk + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"), "tried 4 times"},
      {"CodingUnknown", says(kOk + "Transfer-Encoding: rot13\r\n\r\n" + kBuild), "unrecognized content encoding"},
      {"CompressedBomb", answers("200 OK", "Content-Encoding: gzip\r\n", bomb), "sha256 mismatch"},
      {"Endless", repeats(kOk + "\r\n", noise(10'000)), "larger than the limit of 1000000 bytes"},
      {"EndlessChunks", repeats(kOk + "Transfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n"), "larger than the limit"},
      {"EndlessHead", repeats(kOk, "X-More: of the same\r\n"), "too large a head"},
      {"EndlessLine", repeats("HTTP/1.1 200 OK\r\nX-Long: ", std::string(5000, 'x')), "too large a head"},
      {"EndlessInterim", repeats("", "HTTP/1.1 100 Continue\r\n\r\n"), "too large a head"},
      {"EndlessTrailer", repeats(kOk + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", "X-More: x\r\n"), "too large a head"},
      {"StallsAtOnce", stalls(""), "no data for 300 ms"},
      {"StallsInHead", stalls("HTTP/1.1 200 OK\r\nX-"), "no data for 300 ms"},
      {"StallsInBody", stalls(kOk + length(kBuild.size()) + kHalf), "no data for 300 ms"},
      {"Drips", drips, "not done within"},
      {"RedirectsInCircles", redirects("/again"), "more than 5 redirects"},
      {"RedirectsNowhere", answers("302 Found"), "server answered 302"},
      {"RedirectsToAFile", redirects("file:///etc/passwd"), "redirects to a local file; refused"},
      {"RedirectsToFtp", redirects("ftp://127.0.0.1/x"), "redirects to what is no http or https URL"},
      {"RedirectsToGopher", redirects("gopher://127.0.0.1:1/_x"), "redirects to what is no http or https URL"},
      {"RedirectsToS3", redirects("s3://bucket/key"), "redirects to what is no http or https URL"},
      {"RedirectsToMetadata", redirects("http://169.254.169.254/latest/meta-data/"), "link-local"},
      {"RedirectsToMetadataByNumber", redirects("http://2852039166/latest/"), "link-local"},
      {"RedirectsToMetadataMapped", redirects("http://[::ffff:169.254.169.254]/"), "link-local"},
      {"RedirectsToTheUnspecified", redirects("http://0.0.0.0:1/"), "link-local, multicast or unspecified"},
      {"PartUnasked", says("HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 5-9/10\r\n" + length(5) + "abcde"),
       "the server sent a range that was not asked for"},
      {"PartOfAllUnasked", says("HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 0-4/5\r\n" + length(5) + "abcde"),
       "the server sent a range that was not asked for"},
      {"UnchangedUnasked", says("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"), "server answered 304"},
      {"RangeUnasked", answers("416 Range Not Satisfiable"), "server answered 416"},
  };
  return all;
}

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class HostileServer : public FetchTest, public ::testing::WithParamInterface<Case> {};

TEST_P(HostileServer, B1_EndsWithItsCauseAndLeavesNothing) {
  const Server server(GetParam().handler);
  auto wanted = job(server.url("/app.tgz"));
  wanted.sha256 = sha256_of(kBuild);
  wanted.max_download = 1'000'000;
  wanted.timeout = 4s, wanted.stall_timeout = 300ms;
  const auto began = std::chrono::steady_clock::now();
  const auto fetched = run(wanted);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 15s);
  ASSERT_TRUE(fetched.failed) << fetched.error();
  EXPECT_THAT(fetched.error(), HasSubstr(GetParam().why));
  EXPECT_EQ(fetched.error().find_first_of("\n\r\x1b"), std::string::npos);
  EXPECT_THAT(releases(), ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Fetch, HostileServer, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

// -- resumed -----------------------------------------------------------------------------------------------------------

class Resumed : public FetchTest, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(Resumed, B2_CutAtAnyByteItGoesOnThereWithTheRightDigest) {
  const std::size_t cut = kBuild.size() * GetParam() / 19;
  const Server server([&](const Request& request, Connection& to) {
    const auto head = "\r\nConnection: close\r\nETag: \"v1\"\r\n";
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) {
      to.send("HTTP/1.1 200 OK" + (head + length(kBuild.size())) + kBuild.substr(0, cut));
      return;
    }
    const auto first = std::stoul(range->second.substr(6));
    to.send("HTTP/1.1 206 Partial Content" + (head + ("Content-Range: bytes " + std::to_string(first) + "-" +
                                                      std::to_string(kBuild.size() - 1) + "/" +
                                                      std::to_string(kBuild.size()) + "\r\n")) +
            length(kBuild.size() - first) + kBuild.substr(first));
  });
  auto wanted = job(server.url("/app.tgz"));
  wanted.sha256 = sha256_of(kBuild);
  // With nothing of the body there, there is nothing to go on from.
  const bool resumable = cut > 0;
  const auto fetched = run(wanted);
  if (resumable) {
    ASSERT_TRUE(fetched.done) << fetched.error();
    EXPECT_EQ(fetched.done->sha256, sha256_of(kBuild));
    EXPECT_EQ(content("data"), noise(150'000));
    ASSERT_EQ(server.requests().size(), cut < kBuild.size() ? 2u : 1u);
    if (cut < kBuild.size()) {
      EXPECT_EQ(server.requests().back().headers.at("range"), "bytes=" + std::to_string(cut) + "-");
      EXPECT_EQ(server.requests().back().headers.at("if-range"), "\"v1\"");
    }
  } else {
    EXPECT_THAT(fetched.error(), HasSubstr("tried 4 times"));
  }
}

INSTANTIATE_TEST_SUITE_P(Fetch, Resumed, ::testing::Range<std::size_t>(0, 20));

class ResumeTest : public FetchTest {};

TEST_F(ResumeTest, B2_PartsOfTwoBuildsAreNeverMixed) {
  const auto other = make_archive(".tar.gz", {{"data", noise(150'000) + "x"}});
  int count = 0;
  const Server server([&](const Request& request, Connection& to) {
    if (request.path.ends_with(".sha256")) return to.answer("404 Not Found", "");
    if (++count == 1) {
      to.send(kOk + "ETag: \"v1\"\r\n" + length(kBuild.size()) + kHalf);
    } else if (request.headers.contains("range")) {  // as if the rest were of the first
      const auto rest = other.substr(kHalf.size(), kBuild.size() - kHalf.size());
      to.send("HTTP/1.1 206 Partial Content\r\nConnection: close\r\nETag: \"v2\"\r\nContent-Range: bytes " +
              std::to_string(kHalf.size()) + "-" + std::to_string(kBuild.size() - 1) + "/" +
              std::to_string(kBuild.size()) + "\r\n" + length(rest.size()) + rest);
    } else {
      to.answer("200 OK", other, "ETag: \"v2\"\r\n");
    }
  });
  auto wanted = job(server.url("/app.tgz"));
  wanted.allow_insecure = true;
  const auto fetched = run(wanted);
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->sha256, sha256_of(other));
  EXPECT_EQ(count, 3);
}

}  // namespace
}  // namespace fleet::test
