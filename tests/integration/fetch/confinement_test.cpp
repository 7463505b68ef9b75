// Whom fleet-fetch is while it reads from strangers, what it may read, and what room it leaves.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <csignal>
#include <optional>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "server.hpp"
#include "support/eventually.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum wire::FetchPhase;

constexpr std::uint32_t kNobody = 65534;

const std::string kBuild =
    make_archive(".tar.gz", {{"bin/server", "#!/bin/sh\n", AE_IFREG, 0755}, {"bin/same", "", AE_IFREG, 0644, "", "bin/server"}});

class OwnUserTest : public FetchTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  }
  wire::FetchJob nobodys(const std::string& url) const {
    auto out = job(url);
    out.uid = out.gid = kNobody;
    return out;
  }
  // All of it belongs to us, whoever has unpacked it.
  void expect_ours() const {
    for (const auto& entry : fs::recursive_directory_iterator(root_ + "/releases")) {
      struct stat is {};
      ASSERT_EQ(::lstat(entry.path().c_str(), &is), 0);
      EXPECT_EQ(is.st_uid, ::geteuid()) << entry.path();
      EXPECT_EQ(is.st_gid, ::getegid()) << entry.path();
      EXPECT_EQ(is.st_mode & 0222, 0u) << entry.path();
    }
  }
  // The user of the process whose parent is `keeper`; nothing: there is none.
  static std::optional<uid_t> user_of_reader(pid_t keeper) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream status(entry.path() / "status");
      std::string word;
      long parent = 0, user = -1;
      while (status >> word) {
        if (word == "PPid:") status >> parent;
        if (word == "Uid:") status >> user;
      }
      if (parent == keeper) return static_cast<uid_t>(user);
    }
    return std::nullopt;
  }
};

TEST_F(OwnUserTest, UnpacksAndLeavesNothingOfItsOwn) {
  const auto fetched = run(nobodys(put("build.tgz", kBuild)));
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(content("bin/same"), "#!/bin/sh\n");
  EXPECT_EQ(mode("bin/server"), 0555u);
  expect_ours();
}

TEST_F(OwnUserTest, IsTheUserThatIsAskedForWhileItDownloads) {
  const Server server([](const Request& request, Connection& to) {
    if (request.path.ends_with(".tgz")) to.wait_until_client_leaves();
    else to.answer("404 Not Found", "");
  });
  auto wanted = nobodys(server.url("/x.tgz"));
  wanted.allow_insecure = true;
  Fetcher fetcher(wanted, env_);
  ASSERT_TRUE(eventually([&] { return !server.requests().empty(); }));
  EXPECT_EQ(user_of_reader(fetcher.pid()), kNobody);
  fetcher.signal(SIGTERM);
  EXPECT_EQ(fetcher.wait(), 1);
  EXPECT_THAT(releases(), IsEmpty());
}

TEST_F(OwnUserTest, StillGetsFilesAndFoldersThatOnlyWeCanRead) {
  const auto build = put("private.tgz", kBuild);
  fs::permissions(build, fs::perms::owner_read);
  const auto file = run(nobodys(build));
  EXPECT_TRUE(file.done) << file.error();
  fs::create_directory(root_ + "/folder");
  put("folder/secret", "1");
  fs::permissions(root_ + "/folder/secret", fs::perms::owner_read);
  fs::permissions(root_ + "/folder", fs::perms::owner_all);
  release_ = root_ + "/releases/2";
  const auto folder = run(nobodys(root_ + "/folder"));
  ASSERT_TRUE(folder.done) << folder.error();
  EXPECT_EQ(content("secret"), "1");
  expect_ours();
}

TEST_F(OwnUserTest, LeavesNothingOfAHostileArchive) {
  const auto fetched = run(nobodys(put("evil.tgz", make_archive(".tar.gz", {{"a/b", "1"}, {"../evil", "2"}}))));
  expect_failed(fetched, unpack, "../evil");
  EXPECT_FALSE(fs::exists(root_ + "/evil"));
}

class RootsTest : public FetchTest {
 protected:
  void SetUp() override {
    fs::create_directories(root_ + "/builds/sub");
    put("builds/inside.tgz", kBuild);
    put("outside.tgz", kBuild);
  }
  Fetched run_rooted(const std::string& url) {
    auto wanted = job(url);
    wanted.rooted = true;
    wanted.roots = {root_ + "/builds"};
    return run(wanted);
  }
};

TEST_F(RootsTest, AreWhereLocalBuildsMayBe) {
  const auto fetched = run_rooted("file://" + root_ + "/builds/sub/../inside.tgz");
  EXPECT_TRUE(fetched.done) << fetched.error();
}

TEST_F(RootsTest, AreNotLeft) {
  fs::create_symlink("../outside.tgz", root_ + "/builds/link.tgz");
  fs::create_directory(root_ + "/builds-too");
  put("builds-too/x.tgz", kBuild);
  put("builds/pointer.json", "{\"url\": \"" + root_ + "/outside.tgz\"}");
  for (const char* path : {"outside.tgz", "builds/../outside.tgz", "builds/link.tgz", "builds-too/x.tgz", "builds/pointer.json",
                           "nothing.tgz", "builds-too"}) {
    SCOPED_TRACE(path);
    expect_failed(run_rooted(root_ + "/" + path), download, "refused, as it is not beneath a folder that local builds may come from");
  }
}

TEST_F(RootsTest, WithoutAnyThereIsNoLocalBuild) {
  auto wanted = job(root_ + "/builds/inside.tgz");
  wanted.rooted = true;
  expect_failed(run(wanted), download, "refused");
}

class NetrcTest : public FetchTest {};

TEST_F(NetrcTest, OpensAPrivateServerAndIsToldToNoOther) {
  const Server server([&](const Request& request, Connection& to) {
    request.headers.contains("authorization") ? to.answer("200 OK", kBuild) : to.answer("401 Unauthorized", "");
  });
  auto wanted = job(server.url("/x.tgz"));
  wanted.sha256 = sha256_of(kBuild);
  wanted.netrc = "machine other.example login bot password s3cret\n";
  expect_failed(run(wanted), download, "401");
  wanted.netrc += "machine 127.0.0.1 login bot password s3cret\n";
  const auto fetched = run(wanted);
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(server.requests().back().headers.at("authorization"), "Basic Ym90OnMzY3JldA==");
}

// Releases on a small disk of their own.
class SpaceTest : public FetchTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount";
    ASSERT_EQ(::mount("tmpfs", (root_ + "/releases").c_str(), "tmpfs", 0, "size=8m,mode=0700"), 0);
    mounted_ = true;
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(::umount2((root_ + "/releases").c_str(), MNT_DETACH), 0);
  }
  bool mounted_ = false;
};

TEST_F(SpaceTest, IsLookedAtBeforeABodyIsTaken) {
  const Server server([&](const Request& request, Connection& to) {
    if (request.path.ends_with(".sha256")) return to.answer("404 Not Found", "");
    to.send("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
    to.wait_until_client_leaves();
  });
  auto wanted = job(server.url("/big.tgz"));
  wanted.allow_insecure = true;
  expect_failed(run(wanted), download, "not enough space: the download needs 20000000 bytes, 8");
}

TEST_F(SpaceTest, IsLookedAtBeforeALocalBuildIsCopied) {
  expect_failed(run(put("big.tar", std::string(9'000'000, 'x'))), download, "the download needs 9000000 bytes");
}

TEST_F(SpaceTest, IsLookedAtBeforeWhatIsDeclaredIsUnpacked) {
  const std::string zeros(30'000'000, '\0');
  for (const char* extension : {".tar.gz", ".tar.zst", ".zip"}) {
    SCOPED_TRACE(extension);
    auto wanted = job(put("build", make_archive(extension, {{"first", "1"}, {"zeros", zeros}})));
    wanted.max_ratio = 1'000'000;
    expect_failed(run(wanted), unpack, "not enough space: ");
  }
}

TEST_F(SpaceTest, IsLookedAtBeforeEachFileToo) {
  auto wanted = job(put("build", make_archive(".tar.xz", {{"first", "1"}, {"zeros", std::string(30'000'000, '\0')}})));
  wanted.max_ratio = 1'000'000;
  expect_failed(run(wanted), unpack, "not enough space: zeros needs 30000000 bytes");
}

}  // namespace
}  // namespace fleet::test
