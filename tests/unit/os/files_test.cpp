#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "os/atomic_file.hpp"
#include "os/dirs.hpp"
#include "temp_dir.hpp"

namespace fleet::os {
namespace {

namespace fs = std::filesystem;
using Files = TempDir;
using Dirs = TempDir;

mode_t mode_of(const std::string& path) {
  struct stat is {};
  EXPECT_EQ(::lstat(path.c_str(), &is), 0) << path;
  return is.st_mode & 07777;
}

TEST_F(Files, AWrittenFileReadsBackWithItsModeAndNothingIsLeftBeside) {
  ASSERT_TRUE(write_file(dir + "/a", "one", 0640));
  ASSERT_TRUE(write_file(dir + "/a", "two", 0600));
  EXPECT_EQ(read_file(dir + "/a", 100).value(), "two");
  EXPECT_EQ(mode_of(dir + "/a"), 0600u);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir), {}), 1);
}

TEST_F(Files, AFailedWriteKeepsTheOldContents) {
  ASSERT_TRUE(write_file(dir + "/a", "old"));
  fs::create_directory(dir + "/.a.tmp");
  EXPECT_FALSE(write_file(dir + "/a", "new"));
  EXPECT_EQ(read_file(dir + "/a", 100).value(), "old");
}

TEST_F(Files, ASymlinkIsReplacedNotFollowed) {
  ASSERT_TRUE(write_file(dir + "/victim", "untouched"));
  fs::create_symlink("victim", dir + "/a");
  ASSERT_TRUE(write_file(dir + "/a", "mine"));
  EXPECT_EQ(read_file(dir + "/victim", 100).value(), "untouched");
  EXPECT_FALSE(fs::is_symlink(dir + "/a"));
}

TEST_F(Files, ReadingHoldsToItsLimitExactly) {
  ASSERT_TRUE(write_file(dir + "/a", std::string(5000, 'x')));
  EXPECT_EQ(read_file(dir + "/a", 5000).value().size(), 5000u);
  const auto refused = read_file(dir + "/a", 4999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);
  EXPECT_EQ(read_file(dir + "/none", 10).error().kind, ErrorKind::not_found);
}

TEST_F(Dirs, AFolderIsMadeWithItsParentsAndTightenedWhenItIsThere) {
  ASSERT_TRUE(make_dir(dir + "/x/y", 0750));
  EXPECT_EQ(mode_of(dir + "/x/y"), 0750u);
  ASSERT_TRUE(make_dir(dir + "/x/y", 0700));
  EXPECT_EQ(mode_of(dir + "/x/y"), 0700u);
}

TEST_F(Dirs, ASymlinkInPlaceOfTheFolderIsRefused) {
  fs::create_directory(dir + "/real");
  fs::create_symlink("real", dir + "/link");
  EXPECT_FALSE(make_dir(dir + "/link", 0700));
}

TEST_F(Dirs, RemovingATreeLeavesWhatItsSymlinksPointTo) {
  fs::create_directories(dir + "/keep");
  ASSERT_TRUE(write_file(dir + "/keep/file", "x"));
  fs::create_directories(dir + "/tree/a/b");
  fs::create_directory_symlink(dir + "/keep", dir + "/tree/a/link");
  ASSERT_TRUE(remove_tree(dir + "/tree"));
  EXPECT_FALSE(fs::exists(dir + "/tree"));
  EXPECT_TRUE(fs::exists(dir + "/keep/file"));

  fs::create_directory_symlink(dir + "/keep", dir + "/link");
  ASSERT_TRUE(remove_tree(dir + "/link"));
  EXPECT_FALSE(fs::is_symlink(dir + "/link"));
  EXPECT_TRUE(fs::exists(dir + "/keep/file"));
}

TEST_F(Dirs, RemovingATreeEntersNoOtherMount) {
  fs::create_directories(dir + "/keep");
  ASSERT_TRUE(write_file(dir + "/keep/file", "x"));
  fs::create_directories(dir + "/tree/mounted");
  const auto mounted = dir + "/tree/mounted";
  if (::mount((dir + "/keep").c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0) GTEST_SKIP() << "needs root";
  const auto removed = remove_tree(dir + "/tree");
  EXPECT_EQ(::umount2(mounted.c_str(), MNT_DETACH), 0);
  EXPECT_FALSE(removed);
  EXPECT_TRUE(fs::exists(dir + "/keep/file"));
}

TEST_F(Dirs, RemovingCopesWithClosedFoldersAndNothingThere) {
  fs::create_directories(dir + "/tree/closed/inner");
  ::chmod((dir + "/tree/closed").c_str(), 0);
  EXPECT_TRUE(remove_tree(dir + "/tree"));
  EXPECT_FALSE(fs::exists(dir + "/tree"));
  EXPECT_TRUE(remove_tree(dir + "/tree"));
  EXPECT_TRUE(remove_tree(dir + "/no/such/parent"));
}

TEST_F(Dirs, RemovingATreeDeeperThanItsDescriptorsAllow) {
  ASSERT_TRUE(make_dir(dir + "/tree", 0700));
  Fd at(::open((dir + "/tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 300; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), "deeper", 0755), 0);
    Fd next(::openat(at.get(), "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(next);
    at = std::move(next);
  }
  EXPECT_TRUE(remove_tree(dir + "/tree"));
  EXPECT_FALSE(fs::exists(dir + "/tree"));
}

TEST_F(Dirs, RemovingRefusesPathsThatNameNoEntry) {
  for (const char* path : {"", "/", ".", "..", "/tmp/.", "/tmp/.."}) EXPECT_FALSE(remove_tree(path)) << path;
}

TEST_F(Dirs, ALockIsHeldOnceAndNamesItsHolder) {
  auto held = lock_dir(dir);
  ASSERT_TRUE(held);
  const auto second = lock_dir(dir);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::busy);
  EXPECT_EQ(second.error().text, "cannot lock " + dir + ": in use by process " + std::to_string(::getpid()));
  held->reset();
  EXPECT_TRUE(lock_dir(dir));
}

}  // namespace
}  // namespace fleet::os
