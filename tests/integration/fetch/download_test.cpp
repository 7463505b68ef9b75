#include <csignal>
#include <filesystem>
#include <future>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "server.hpp"
#include "support/eventually.hpp"

namespace fleet::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;
using enum wire::FetchPhase;

std::string random_bytes(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 42;
  for (auto& byte : out) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

const std::string kBuild =
    make_archive(".tar.gz", {{"bin/server", "#!/bin/sh\n", AE_IFREG, 0755}, {"data", random_bytes(200'000)}});

class DownloadTest : public FetchTest {
 protected:
  DownloadTest() { sha256_ = sha256_of(kBuild); }
  void expect_released(const Fetched& fetched) {
    ASSERT_TRUE(fetched.done) << fetched.error();
    EXPECT_EQ(fetched.done->sha256, sha256_of(kBuild));
    EXPECT_EQ(fetched.done->bytes, kBuild.size());
    EXPECT_EQ(content("data"), random_bytes(200'000));
    EXPECT_THAT(releases(), ElementsAre("1"));
  }
  void trust(const Server& server) { env_.push_back("SSL_CERT_FILE=" + put("ca.pem", server.certificate_pem())); }
};

void serve_build(const Request&, Connection& to) { to.answer("200 OK", kBuild); }

TEST_F(DownloadTest, PlacesABuildAndTellsItsPhases) {
  const Server server(serve_build);
  auto wanted = job(server.url("/shop-2.tar.gz"));
  wanted.sha256 = sha256_of(kBuild);
  const auto fetched = run(wanted);
  expect_released(fetched);
  EXPECT_EQ(fetched.exit_code, 0);
  EXPECT_EQ(fetched.done->format, "tar.gz");
  EXPECT_EQ(fetched.done->entries, 3u);
  EXPECT_EQ(fetched.done->unpacked_bytes, 200'010u);
  ASSERT_GE(fetched.progress.size(), 3u);
  EXPECT_EQ(fetched.progress.front().phase, download);
  EXPECT_EQ(fetched.progress.back().phase, unpack);
  EXPECT_EQ(fetched.progress.back().total, kBuild.size());
}

TEST_F(DownloadTest, RefusesAWrongDigestBeforeUnpacking) {
  const Server server(serve_build);
  auto wanted = job(server.url("/shop.tgz"));
  wanted.sha256 = std::string(64, '0');
  expect_failed(run(wanted), verify, "sha256 mismatch: expected " + wanted.sha256 + ", got " + sha256_of(kBuild));
}

TEST_F(DownloadTest, NamesUrlAndStatusWithoutCredentials) {
  const Server server([](const Request&, Connection& to) { to.answer("404 \x1b[31mgone", "<html>nothing here"); });
  std::string url = server.url("/shop.tgz?token=t0ken");
  url.insert(url.find("127"), "bot:s3cret@");
  const auto fetched = run(url);
  expect_failed(fetched, download, server.url("/shop.tgz") + ": server answered 404 Not Found");
  EXPECT_THAT(fetched.error(), Not(HasSubstr("t0ken")));
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests().at(0).headers.at("authorization"), "Basic Ym90OnMzY3JldA==");
  EXPECT_EQ(server.requests().at(0).path, "/shop.tgz?token=t0ken");
}

TEST_F(DownloadTest, RefusesAnHtmlPageThatComesWithStatus200) {
  const Server server(
      [](const Request&, Connection& to) { to.answer("200 OK", "<!DOCTYPE html><title>Sign in</title>"); });
  expect_failed(run(server.url("/x.tgz")), verify, "got an HTML page where an archive was expected");
}

TEST_F(DownloadTest, RefusesAnEmptyAnswer) {
  const Server server([](const Request&, Connection& to) { to.answer("200 OK", ""); });
  expect_failed(run(server.url("/x.tgz")), verify, "empty");
}

TEST_F(DownloadTest, FollowsRedirectsButNotForEver) {
  const Server server([](const Request& request, Connection& to) {
    const int left = request.path[1] - '0';
    left == 0 ? to.answer("200 OK", kBuild) : to.redirect("/" + std::to_string(left - 1) + "?x=" + request.path);
  });
  expect_released(run(server.url("/5")));
  EXPECT_EQ(server.requests().size(), 6u);
  release_ = root_ + "/releases/2";
  const auto fetched = run(server.url("/6"));
  EXPECT_THAT(fetched.error(), HasSubstr("more than 5 redirects"));
}

TEST_F(DownloadTest, EndsARedirectLoop) {
  const Server server([](const Request&, Connection& to) { to.redirect("/again"); });
  expect_failed(run(server.url("/again")), download, "more than 5 redirects");
  EXPECT_EQ(server.requests().size(), 6u);
}

TEST_F(DownloadTest, RefusesARedirectToAFile) {
  const Server server([&](const Request&, Connection& to) { to.redirect("file://" + put("secret", kBuild)); });
  expect_failed(run(server.url("/x")), download, "redirects to a local file; refused");
}

TEST_F(DownloadTest, TrustsTheAuthoritiesOfSslCertFile) {
  const Server server(serve_build, true);
  trust(server);
  expect_released(run(server.url("/x")));
}

TEST_F(DownloadTest, RefusesAServerThatNobodyVouchesFor) {
  const Server server(serve_build, true);
  expect_failed(run(server.url("/x")), download, "certificate");
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(DownloadTest, RefusesARedirectFromHttpsToHttp) {
  const Server plain(serve_build);
  const Server server([&](const Request&, Connection& to) { to.redirect(plain.url("/x")); }, true);
  trust(server);
  expect_failed(run(server.url("/x")), download, "redirects from https to http; refused");
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(DownloadTest, RefusesARedirectFromHttpsToAFile) {
  const Server server([&](const Request&, Connection& to) { to.redirect("file://" + put("secret", kBuild)); }, true);
  trust(server);
  expect_failed(run(server.url("/x")), download, "redirects to a local file; refused");
}

TEST_F(DownloadTest, DropsCredentialsOnTheWayToAnotherOrigin) {
  const Server cdn(serve_build);
  const Server server([&](const Request&, Connection& to) { to.redirect(cdn.url("/x")); });
  std::string url = server.url("/x");
  url.insert(url.find("127"), "bot:s3cret@");
  expect_released(run(url));
  EXPECT_EQ(server.requests().at(0).headers.count("authorization"), 1u);
  EXPECT_EQ(cdn.requests().at(0).headers.count("authorization"), 0u);
}

// Cut at byte k, each k once; then the rest on request.
TEST_F(DownloadTest, ResumesWhereTheConnectionWasCut) {
  for (std::size_t i = 0; i < 20; ++i) {
    const std::size_t cut = 1 + i * (kBuild.size() - 2) / 19;
    release_ = root_ + "/releases/" + std::to_string(i);
    const Server server([cut](const Request& request, Connection& to) {
      const auto size = std::to_string(kBuild.size());
      if (!request.headers.contains("range")) {
        to.send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: " + size + "\r\n\r\n" + kBuild.substr(0, cut));
        return;
      }
      to.answer("206 Partial Content", kBuild.substr(cut),
                "ETag: \"v1\"\r\nContent-Range: bytes " + std::to_string(cut) + "-" +
                    std::to_string(kBuild.size() - 1) + "/" + size + "\r\n");
    });
    const auto fetched = run(server.url("/x"));
    ASSERT_TRUE(fetched.done) << cut << ": " << fetched.error();
    EXPECT_EQ(fetched.done->sha256, sha256_of(kBuild)) << cut;
    ASSERT_EQ(server.requests().size(), 2u) << cut;
    EXPECT_EQ(server.requests().at(1).headers.at("range"), "bytes=" + std::to_string(cut) + "-");
    EXPECT_EQ(server.requests().at(1).headers.at("if-range"), "\"v1\"");
  }
}

TEST_F(DownloadTest, BeginsAnewWhenTheArtifactHasChangedSinceTheCut) {
  const Server server([&, first = true](const Request&, Connection& to) mutable {
    if (std::exchange(first, false)) {
      to.send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 500000\r\n\r\n" + std::string(1000, 'x'));
    } else {
      to.answer("200 OK", kBuild, "ETag: \"v2\"\r\n");
    }
  });
  expect_released(run(server.url("/x")));
}

TEST_F(DownloadTest, BeginsAnewWhereThereIsNoValidator) {
  const Server server([&, first = true](const Request&, Connection& to) mutable {
    if (!std::exchange(first, false)) return to.answer("200 OK", kBuild);
    to.send("HTTP/1.1 200 OK\r\nETag: W/\"weak\"\r\nContent-Length: 500000\r\n\r\n" + std::string(1000, 'x'));
  });
  expect_released(run(server.url("/x")));
  EXPECT_FALSE(server.requests().at(1).headers.contains("range"));
}

TEST_F(DownloadTest, BeginsAnewAfterALyingRange) {
  const Server server([](const Request& request, Connection& to) {
    if (request.headers.contains("range")) {
      return to.answer("206 Partial Content", "lies", "Content-Range: bytes 7-10/11\r\n");
    }
    static bool first = true;
    if (!std::exchange(first, false)) return to.answer("200 OK", kBuild);
    to.send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 500000\r\n\r\n" + std::string(1000, 'x'));
  });
  expect_released(run(server.url("/x")));
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(DownloadTest, AsksAgainForTheRestOfARangeThatWasTooShort) {
  const auto part = [](std::size_t from, std::size_t size, Connection& to) {
    to.answer("206 Partial Content", kBuild.substr(from, size),
              "Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(from + size - 1) + "/" +
                  std::to_string(kBuild.size()) + "\r\n");
  };
  const Server server([&](const Request& request, Connection& to) {
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) {
      to.send("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + kBuild.substr(0, 100));
    } else if (range->second == "bytes=100-") {
      part(100, 50, to);
    } else {
      part(150, kBuild.size() - 150, to);
    }
  });
  expect_released(run(server.url("/x")));
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(DownloadTest, GivesUpOnAFileThatIsAlwaysShort) {
  const Server server(
      [](const Request&, Connection& to) { to.send("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + kBuild); });
  expect_failed(run(server.url("/x")), download, "(tried 4 times)");
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST_F(DownloadTest, GivesUpWhereNobodyListens) {
  std::string url;
  { url = Server(serve_build).url("/x"); }
  expect_failed(run(url), download, url + ": failed to connect");
}

TEST_F(DownloadTest, NoticesAServerThatStalls) {
  const Server server([](const Request&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nabc");
    to.wait_until_client_leaves();
  });
  auto wanted = job(server.url("/x"));
  wanted.stall_timeout = 200ms;
  expect_failed(run(wanted), download, "no data for 200 ms (tried 4 times)");
}

TEST_F(DownloadTest, KeepsToTheTotalTimeHoweverSteadyTheTrickle) {
  const Server server([](const Request&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n");
    while (to.send("x")) std::this_thread::sleep_for(20ms);
  });
  auto wanted = job(server.url("/x"));
  wanted.timeout = 500ms;
  expect_failed(run(wanted), download, "not done within 500 ms");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(DownloadTest, RefusesWhatSaysThatItIsTooLarge) {
  const Server server([](const Request&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n");
    to.wait_until_client_leaves();
  });
  auto wanted = job(server.url("/x"));
  wanted.max_download = 1'000'000;
  expect_failed(run(wanted), download, "larger than the limit of 1000000 bytes");
}

TEST_F(DownloadTest, EndsAnEndlessAnswer) {
  const Server server([](const Request&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (to.send("10000\r\n" + std::string(0x10000, 'x') + "\r\n")) continue;
  });
  auto wanted = job(server.url("/x"));
  wanted.max_download = 1'000'000;
  expect_failed(run(wanted), download, "larger than the limit of 1000000 bytes");
}

TEST_F(DownloadTest, RefusesAnEndlessHead) {
  const Server server([](const Request&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\n");
    while (to.send("X-Pad: " + std::string(1000, 'x') + "\r\n")) continue;
  });
  expect_failed(run(server.url("/x")), download, "too large a head");
}

TEST_F(DownloadTest, RefusesTheMetadataServiceWithoutAConnection) {
  expect_failed(run("http://169.254.169.254/latest/"), download, "link-local");
}

TEST_F(DownloadTest, SweepsNoOtherFetchThatIsAtWork) {
  std::promise<void> other_is_done;
  const Server slow([&](const Request&, Connection& to) {
    other_is_done.get_future().wait();
    to.answer("200 OK", kBuild);
  });
  const Server quick(serve_build);
  Fetcher first(job(slow.url("/x")), env_);
  ASSERT_TRUE(eventually([&] { return !slow.requests().empty(); }));
  release_ = root_ + "/releases/2";
  EXPECT_TRUE(run(quick.url("/x")).done);
  other_is_done.set_value();
  EXPECT_EQ(first.wait(), 0);
  EXPECT_THAT(releases(), ElementsAre("1", "2"));
}

TEST_F(DownloadTest, EndsWithTheLinkAndLeavesNothing) {
  const Server server([](const Request&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nabc");
    to.wait_until_client_leaves();
  });
  Fetcher fetcher(job(server.url("/x")), env_);
  ASSERT_TRUE(fetcher.next_frame());
  fetcher.hang_up();
  EXPECT_EQ(fetcher.wait(), 1);
  EXPECT_THAT(releases(), ::testing::IsEmpty());
}

TEST_F(DownloadTest, EndsBySigtermAndLeavesNothing) {
  const Server server([](const Request&, Connection& to) { to.wait_until_client_leaves(); });
  Fetcher fetcher(job(server.url("/x")), env_);
  ASSERT_TRUE(eventually([&] { return !server.requests().empty(); }));
  EXPECT_THAT(releases(), ElementsAre(::testing::StartsWith("1.tmp-")));
  fetcher.signal(SIGTERM);
  EXPECT_EQ(fetcher.wait(), 1);
  EXPECT_THAT(releases(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace fleet::test
