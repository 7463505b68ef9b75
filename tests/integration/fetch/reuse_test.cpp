// A build that is known is not fetched again; a release of it shares the files of the one that has them.
#include <sys/stat.h>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "os/dirs.hpp"
#include "server.hpp"

namespace fleet::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kBuild = make_archive(".tar.gz", {{"bin/server", "#!/bin/sh\n", AE_IFREG, 0755},
                                                    {"data/file", std::string(50'000, 'x')},
                                                    {"current", "", AE_IFLNK, 0777, "data/file"}});

class ReuseTest : public FetchTest {
 protected:
  // The first release, as fleetd has it on record; the next job is for the second.
  void SetUp() override {
    const auto first = run(put("build.tgz", kBuild));
    ASSERT_TRUE(first.done) << first.error();
    EXPECT_EQ(first.done->layout, "tree");
    known_.sha256 = first.done->sha256;
    known_.folder = release_;
    known_.format = first.done->format;
    known_.layout = first.done->layout;
    known_.unpacked_bytes = first.done->unpacked_bytes;
    known_.entries = first.done->entries;
    release_ = root_ + "/releases/2";
  }
  wire::FetchJob known_job(const std::string& url) const {
    auto out = job(url);
    out.known = {known_};
    return out;
  }
  std::uint64_t inode(const std::string& path) const {
    struct stat is {};
    EXPECT_EQ(::lstat(path.c_str(), &is), 0) << path;
    return is.st_ino;
  }
  void expect_shared(const Fetched& fetched) const {
    ASSERT_TRUE(fetched.done) << fetched.error();
    EXPECT_EQ(fetched.done->reused, 1u);
    EXPECT_EQ(fetched.done->sha256, known_.sha256);
    EXPECT_EQ(fetched.done->unpacked_bytes, known_.unpacked_bytes);
    EXPECT_EQ(inode(release_ + "/data/file"), inode(known_.folder + "/data/file"));
    EXPECT_EQ(content("current"), std::string(50'000, 'x'));
    for (const char* folder : {"", "bin", "data"}) EXPECT_EQ(mode(folder), 0555u) << folder;
    EXPECT_EQ(mode("bin/server"), 0555u);
    EXPECT_THAT(releases(), ElementsAre("1", "2"));
  }
  wire::KnownBuild known_;
};

TEST_F(ReuseTest, NeedsNoServerWhenTheDigestIsAskedFor) {
  auto wanted = known_job("https://127.0.0.1:1/gone.tgz");
  wanted.sha256 = known_.sha256;
  expect_shared(run(wanted));
  ASSERT_TRUE(os::remove_tree(known_.folder));
  EXPECT_EQ(content("data/file").size(), 50'000u) << "it stays when the first is removed";
}

TEST_F(ReuseTest, AsksAManifestAndNothingElse) {
  const Server server([&](const Request& request, Connection& to) {
    if (request.path != "/latest.json") return to.answer("404 Not Found", "");
    to.answer("200 OK", R"({"url":"shop-2.tgz","version":"2","sha256":")" + known_.sha256 + "\"}", "ETag: \"m2\"\r\n");
  });
  auto wanted = known_job(server.url("/latest.json"));
  wanted.allow_insecure = true;
  const auto fetched = run(wanted);
  expect_shared(fetched);
  EXPECT_EQ(fetched.done->version, "2");
  EXPECT_EQ(fetched.done->etag, "\"m2\"");
  for (const auto& request : server.requests()) EXPECT_THAT(request.path, HasSubstr("latest.json"));
}

TEST_F(ReuseTest, AsksForTheDigestBesideTheBuildAndNothingElse) {
  const Server server([&](const Request& request, Connection& to) {
    request.path == "/shop.tgz.sha256" ? to.answer("200 OK", known_.sha256 + "  shop.tgz\n") : to.answer("500 No", "");
  });
  auto wanted = known_job(server.url("/shop.tgz"));
  wanted.allow_insecure = true;
  expect_shared(run(wanted));
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(ReuseTest, FetchesWhatIsNotKnown) {
  const auto other = make_archive(".tar.gz", {{"a", "1"}});
  const auto fetched = run(known_job(put("other.tgz", other)));
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->reused, 0u);
  EXPECT_EQ(content("a"), "1");
}

TEST_F(ReuseTest, RefusesALowerVersionOfWhatItKnows) {
  auto wanted = known_job("https://127.0.0.1:1/gone.tgz");
  wanted.known[0].version = "1.9";
  wanted.version = "2.0";
  wanted.sha256 = known_.sha256;
  const auto fetched = run(wanted);
  EXPECT_THAT(fetched.error(), HasSubstr("version 1.9 is lower than 2.0"));
  EXPECT_THAT(releases(), ElementsAre("1"));
}

TEST_F(ReuseTest, FetchesWhatHasGoneMeanwhile) {
  auto wanted = known_job(put("build.tgz", kBuild));
  wanted.sha256 = known_.sha256;
  wanted.known[0].folder = root_ + "/releases/77";
  const auto fetched = run(wanted);
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->reused, 0u);
  EXPECT_EQ(content("data/file").size(), 50'000u);
  EXPECT_THAT(releases(), ElementsAre("1", "2"));
}

TEST_F(ReuseTest, SaysWhatIsWrongWhereItIsNeitherThereNorToBeHad) {
  auto wanted = known_job(root_ + "/nothing.tgz");
  wanted.sha256 = known_.sha256;
  wanted.known[0].folder = root_ + "/releases/77";
  const auto fetched = run(wanted);
  EXPECT_THAT(fetched.error(), HasSubstr("no such file"));
  EXPECT_THAT(releases(), ElementsAre("1"));
}

}  // namespace
}  // namespace fleet::test
