#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "archives.hpp"
#include "fetch_test.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum wire::FetchPhase;

class UnpackTest : public FetchTest {
 protected:
  Fetched run_archive(const std::string& extension, const std::vector<Item>& items) {
    return run(put("build" + extension, make_archive(extension, items)));
  }
};

TEST_F(UnpackTest, UnpacksEveryFormatByItsContent) {
  int release = 0;
  for (const char* extension : {".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".zip"}) {
    release_ = root_ + "/releases/" + std::to_string(++release);
    const auto archive =
        make_archive(extension, {{"top/bin/server", "#!/bin/sh\n", AE_IFREG, 0755}, {"top/read.me", "hi"}});
    const auto fetched = run("file://" + put("build", archive));
    ASSERT_TRUE(fetched.done) << extension << ": " << fetched.error();
    EXPECT_EQ("." + fetched.done->format, extension);
    EXPECT_EQ(fetched.done->sha256, sha256_of(archive));
    EXPECT_EQ(content("top/read.me"), "hi") << "the only top folder is not stripped";
    EXPECT_EQ(mode("top/bin/server"), 0555u);
  }
}

TEST_F(UnpackTest, LeavesAReleaseThatNobodyCanWrite) {
  ASSERT_TRUE(run_archive(".tar.gz", {{"d/open", "x", AE_IFREG, 0666},
                                      {"d/run", "x", AE_IFREG, 0711},
                                      {"d/private", "x", AE_IFREG, 0600},
                                      {"e", "", AE_IFDIR, 01777}})
                  .done);
  EXPECT_EQ(mode("d/open"), 0444u);
  EXPECT_EQ(mode("d/run"), 0555u);
  EXPECT_EQ(mode("d/private"), 0444u);
  for (const char* folder : {"", "d", "e"}) EXPECT_EQ(mode(folder), 0555u) << folder;
}

TEST_F(UnpackTest, KeepsLinksThatStayWithin) {
  const auto fetched = run_archive(".tar.gz", {{"lib/a", "A"},
                                               {"bin/a", "", AE_IFLNK, 0777, "../lib/a"},
                                               {"later", "", AE_IFLNK, 0777, "bin/b"},
                                               {.name = "lib/b", .hardlink = "lib/a"}});
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(content("bin/a"), "A");
  EXPECT_EQ(content("lib/b"), "A");
  EXPECT_EQ(fs::hard_link_count(release_ + "/lib/a"), 2u);
  EXPECT_EQ(fs::read_symlink(release_ + "/later"), "bin/b");
}

TEST_F(UnpackTest, KeepsASparseFileWithItsTrailingHole) {
  const auto fetched = run_archive(".tar", {{.name = "disk", .content = "data", .hole_to = 5'000'000}});
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fs::file_size(release_ + "/disk"), 5'000'000u);
  EXPECT_EQ(content("disk").substr(0, 5), std::string("data\0", 5));
  EXPECT_EQ(fetched.done->unpacked_bytes, 5'000'000u);
}

TEST_F(UnpackTest, KeepsAWarWhole) {
  const auto war =
      make_archive(".zip", {{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"}, {"WEB-INF/web.xml", "<x/>"}});
  const auto fetched = run(put("shop.war", war));
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->format, "war");
  EXPECT_EQ(fetched.done->entries, 1u);
  EXPECT_EQ(content("shop.war"), war);
  EXPECT_EQ(mode("shop.war"), 0444u);
}

TEST_F(UnpackTest, KeepsAJarWholeWhateverItsName) {
  const auto jar = make_archive(".zip", {{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"}, {"a.class", "x"}});
  const auto fetched = run(put("download", jar));
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->format, "jar");
  EXPECT_EQ(content("download"), jar);
}

TEST_F(UnpackTest, UnpacksAWarWhenToldTo) {
  auto wanted = job(put("shop.war", make_archive(".zip", {{"META-INF/MANIFEST.MF", "x"}, {"WEB-INF/web.xml", "<x/>"}})));
  wanted.unpack_java = true;
  const auto fetched = run(wanted);
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->format, "war");
  EXPECT_EQ(content("WEB-INF/web.xml"), "<x/>");
}

TEST_F(UnpackTest, TakesAFolderWithTheSameDigestWhoeverMadeIt) {
  const auto make = [&](const std::string& name, unsigned readable) {
    fs::create_directories(root_ + "/" + name + "/bin");
    fs::create_directories(root_ + "/" + name + "/empty");
    put(name + "/bin/server", "#!/bin/sh\n");
    put(name + "/read.me", "hi");
    fs::permissions(root_ + "/" + name + "/bin/server", fs::perms(readable | 0100));
    fs::permissions(root_ + "/" + name + "/read.me", fs::perms(readable));
    fs::create_symlink("bin/server", root_ + "/" + name + "/start");
    return root_ + "/" + name;
  };
  const auto first = run(make("a", 0600));
  ASSERT_TRUE(first.done) << first.error();
  EXPECT_EQ(first.done->format, "directory");
  EXPECT_EQ(content("start"), "#!/bin/sh\n");
  EXPECT_EQ(mode("bin/server"), 0555u);
  EXPECT_EQ(mode("read.me"), 0444u);
  EXPECT_EQ(mode("empty"), 0555u);
  release_ = root_ + "/releases/2";
  const auto second = run("file://" + make("b", 0644) + "/");
  ASSERT_TRUE(second.done) << second.error();
  EXPECT_EQ(second.done->sha256, first.done->sha256);
  release_ = root_ + "/releases/3";
  put("b/read.me", "ho");
  EXPECT_NE(run(root_ + "/b").done.value().sha256, first.done->sha256);
}

TEST_F(UnpackTest, RefusesAFolderByThePolicyOfArchives) {
  const auto folder = root_ + "/build";
  fs::create_directory(folder);
  expect_failed(run(folder), unpack, "the archive has no files in it");
  fs::create_symlink("/etc/passwd", folder + "/users");
  expect_failed(run(folder), unpack, "users: its link's target is absolute");
  fs::remove(folder + "/users");
  ASSERT_EQ(::mkfifo((folder + "/pipe").c_str(), 0600), 0);
  expect_failed(run(folder), download, "build/pipe: it is a device, fifo or socket");
  fs::remove(folder + "/pipe");
  put("build/a", "1"), put("build/A", "2");
  expect_failed(run(folder), unpack, "it clashes with");
  fs::remove(folder + "/A");
  auto wanted = job(folder);
  wanted.max_download = 100;
  expect_failed(run(wanted), download, "larger than the limit of 100 bytes");
  wanted.max_download = 100'000, wanted.max_entries = 1, fs::create_directory(folder + "/d");
  expect_failed(run(wanted), download, "more than 1 entries");
}

TEST_F(UnpackTest, PlacesAnExecutableUnderItsName) {
  const auto fetched = run(put("server", "#!/bin/sh\necho hi\n"));
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(fetched.done->format, "executable");
  EXPECT_EQ(mode("server"), 0555u);
}

TEST_F(UnpackTest, RefusesHostileEntriesByNameAndLeavesNothing) {
  put("canary", "alive");
  const std::vector<std::pair<std::vector<Item>, std::string>> hostile = {
      {{{"ok", "x"}, {"../canary", "dead"}}, "../canary: its name has a '..'"},
      {{{"/tmp/fleet-canary", "dead"}}, "/tmp/fleet-canary: its name is absolute"},
      {{{"a/../../canary", "dead"}}, "'..'"},
      {{{"out", "", AE_IFLNK, 0777, "../.."}, {"out/canary", "dead"}}, "out: its link leads out"},
      {{{"out", "", AE_IFLNK, 0777, "/etc"}}, "absolute"},
      {{{"in", "", AE_IFLNK, 0777, "d"}, {"in/x", "dead"}}, "in/x: it passes through in"},
      {{{.name = "hard", .hardlink = "../../canary"}}, "hard: its link's target has a '..'"},
      {{{.name = "hard", .hardlink = "/etc/passwd"}}, "absolute"},
      {{{"pipe", "", AE_IFIFO}}, "pipe: it is a device, fifo or socket"},
      {{{"null", "", AE_IFCHR, 0666}}, "null: it is a device"},
      {{{"sda", "", AE_IFBLK, 0666}}, "sda: it is a device"},
      {{{"su", "", AE_IFREG, 04755}}, "su: it is setuid or setgid"},
      {{{"a", "1"}, {"a", "2"}}, "a: it comes twice"},
      {{{"Readme", "1"}, {"README", "2"}}, "README: it clashes with Readme"},
      {{{"a\nb", "1"}}, "a\\x0ab: its name has control characters"},
  };
  for (const auto& [items, why] : hostile) expect_failed(run_archive(".tar.gz", items), unpack, why);
  expect_failed(run_archive(".zip", {{"../canary", "dead"}}), unpack, "'..'");
  expect_failed(run_archive(".zip", {{"x", "", AE_IFLNK, 0777, "/etc"}}), unpack, "absolute");
  EXPECT_EQ(fs::file_size(root_ + "/canary"), 5u);
  EXPECT_FALSE(fs::exists("/tmp/fleet-canary"));
}

TEST_F(UnpackTest, RefusesBombs) {
  const std::string zeros(30u << 20, '\0');
  expect_failed(run_archive(".tar.gz", {{"zeros", zeros}}), unpack,
                "zeros: it unpacks to more than 200 times its size");
  expect_failed(run_archive(".zip", {{"zeros", zeros}}), unpack, "200 times");
  expect_failed(run_archive(".tar", {{.name = "hole", .content = "x", .hole_to = 1ll << 36}}), unpack, "hole: ");
}

TEST_F(UnpackTest, KeepsToTheLimitsOfTheJob) {
  auto wanted = job(put("build", make_archive(".tar.gz", {{"a/b/c", "12345"}, {"d", "12345"}})));
  wanted.max_entries = 3;
  expect_failed(run(wanted), unpack, "d: more than 3 entries");
  wanted.max_entries = 4, wanted.max_depth = 2;
  expect_failed(run(wanted), unpack, "a/b/c: deeper than 2");
  wanted.max_depth = 3, wanted.max_unpacked = 9;
  expect_failed(run(wanted), unpack, "more than 9 bytes unpacked");
  wanted.max_unpacked = 10, wanted.max_download = 20;
  expect_failed(run(wanted), download, "larger than the limit of 20 bytes");
  wanted.max_download = 1000;
  EXPECT_TRUE(run(wanted).done);
}

TEST_F(UnpackTest, RefusesWhatIsDamaged) {
  std::string noise(100'000, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i * 31 >> 7);
  for (const char* extension : {".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2", ".zip"}) {
    auto archive = make_archive(extension, {{"a", noise}, {"b", noise}});
    expect_failed(run(put("cut", archive.substr(0, archive.size() / 2))), unpack, "cannot unpack as");
  }
  auto archive = make_archive(".zip", {{"a", noise}});
  archive[archive.size() / 2] ^= 1;
  expect_failed(run(put("flipped", archive)), unpack, "a: cannot unpack as zip");
}

// What comes after the end of the tar vouches for what came before it.
TEST_F(UnpackTest, RefusesWhatItsOwnChecksumDeniesOrWhatIsCutAfterTheTar) {
  std::string noise(300'000, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i * 31 >> 7);
  for (const char* extension : {".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2"}) {
    SCOPED_TRACE(extension);
    const auto archive = make_archive(extension, {{"a", noise}});
    for (const std::size_t lost : {1u, 4u, 8u}) {
      if (std::string_view(extension) == ".tar.zst" && lost == 8) continue;  // libarchive's has no checksum
      expect_failed(run(put("cut", archive.substr(0, archive.size() - lost))), unpack, "cannot unpack as " + std::string(extension + 1));
    }
  }
  auto wrong_sum = make_archive(".tar.gz", {{"a", "hello"}});
  wrong_sum[wrong_sum.size() - 8] ^= 1;
  expect_failed(run(put("wrong-sum", wrong_sum)), unpack, "cannot unpack as tar.gz: the gzip file is damaged: incorrect data check");
  auto wrong_length = make_archive(".tar.gz", {{"a", "hello"}});
  wrong_length[wrong_length.size() - 4] ^= 1;
  expect_failed(run(put("wrong-length", wrong_length)), unpack, "incorrect length check");
}

TEST_F(UnpackTest, TakesGzipOfSeveralMembersAndPadding) {
  const auto tar = make_archive(".tar", {{"a", std::string(100'000, 'a')}, {"b", "B"}});
  const auto gzip = [&](const std::string& bytes) {
    const auto path = put("member", bytes);
    EXPECT_EQ(std::system(("gzip -kf '" + path + "'").c_str()), 0);
    std::ifstream file(path + ".gz", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const auto fetched = run(put("two", gzip(tar.substr(0, 70'000)) + gzip(tar.substr(70'000)) + std::string(512, '\0')));
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_EQ(content("b"), "B");
}

TEST_F(UnpackTest, RefusesCompressedFilesThatAreNoTar) {
  expect_failed(run(put("x.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3\xcb\x48\0\0\xac\x2a\x93\xd8\2\0\0\0", 22))),
                unpack, "cannot unpack as tar.gz");
  expect_failed(run(put("noise", "no archive at all")), verify, "unknown format");
}

TEST_F(UnpackTest, RefusesAnEmptyArchive) {
  expect_failed(run_archive(".zip", {}), unpack, "cannot unpack as zip");
  expect_failed(run_archive(".tar.gz", {{"./", "", AE_IFDIR, 0755}}), unpack, "the archive has no files in it");
}

TEST_F(UnpackTest, RefusesLocalPathsThatAreNoFiles) {
  expect_failed(run(root_ + "/nothing"), download, "cannot read " + root_ + "/nothing: no such file");
  ASSERT_EQ(::mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  expect_failed(run(root_ + "/pipe"), download, "not a regular file");
  expect_failed(run("shop.tgz"), download, "not an absolute path or URL: shop.tgz");
  expect_failed(run("ftp://x/y"), download, "cannot fetch by ftp");
}

TEST_F(UnpackTest, NeverTouchesAReleaseThatExists) {
  const auto build = put("server", "#!/bin/sh\n");
  ASSERT_TRUE(run(build).done);
  const auto again = run(put("other", "#!/bin/bash\n"));
  EXPECT_THAT(again.error(), HasSubstr("it exists"));
  EXPECT_EQ(content("server"), "#!/bin/sh\n");
  EXPECT_THAT(releases(), ElementsAre("1"));
}

TEST_F(UnpackTest, NeedsAFolderForTheRelease) {
  auto wanted = job(put("server", "#!/bin/sh\n"));
  wanted.destination = root_ + "/missing/1";
  expect_failed(run(wanted), download, "missing: no such file");
  wanted.destination = "relative";
  expect_failed(run(wanted), download, "not an absolute path");
}

TEST_F(UnpackTest, SweepsWhatAKilledFetchLeftButNothingElse) {
  const auto releases_dir = root_ + "/releases/";
  fs::create_directories(releases_dir + "7.tmp-4242/d");
  fs::create_directories(releases_dir + "8.tmp-x");
  ASSERT_TRUE(run(put("server", "#!/bin/sh\n")).done);
  EXPECT_THAT(releases(), ElementsAre("1", "8.tmp-x"));
}

}  // namespace
}  // namespace fleet::test
