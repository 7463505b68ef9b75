#include "access_logs.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "temp_dir.hpp"

namespace fleet {
namespace {

class AccessLogFilesTest : public TempDir {
 protected:
  AccessLogFilesTest() { std::filesystem::create_directories(paths_.app_logs("shop")); }

  std::string path(const std::string& suffix = "") const { return paths_.access_log("shop") + suffix; }
  std::string text(const std::string& suffix = "") const {
    std::stringstream all;
    all << std::ifstream(path(suffix)).rdbuf();
    return all.str();
  }
  void write(const std::string& line) {
    const int fd = files_.open("shop");
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::write(fd, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  std::vector<std::string> tend(std::uint64_t size = 10, std::uint32_t keep = 2, bool all = false) {
    return files_.tend({size, keep}, all);
  }

  Paths paths_{dir, dir, ""};
  AccessLogFiles files_{paths_};
};

TEST_F(AccessLogFilesTest, AreRotatedWhenTooLargeAndTheOldestFallsOff) {
  write("first 7890\n");
  EXPECT_EQ(tend(), std::vector<std::string>{"shop"});
  EXPECT_EQ(text(), "");
  EXPECT_EQ(text(".1"), "first 7890\n");
  write("second 890\n");
  tend();
  write("third 7890\n");
  tend();
  EXPECT_EQ(text(".1"), "third 7890\n");
  EXPECT_EQ(text(".2"), "second 890\n");
  EXPECT_FALSE(std::filesystem::exists(path(".3")));
}

TEST_F(AccessLogFilesTest, ThatWereKeptWhenMoreWereToBeKeptAreRemoved) {
  for (int i = 1; i <= 6; ++i) {
    write("number " + std::to_string(i) + "..\n");
    tend(10, 5);
  }
  EXPECT_EQ(text(".5"), "number 2..\n");
  write("number 7..\n");
  tend(10, 2);
  EXPECT_EQ(text(".1"), "number 7..\n");
  EXPECT_EQ(text(".2"), "number 6..\n");
  for (const char* gone : {".3", ".4", ".5"}) EXPECT_FALSE(std::filesystem::exists(path(gone))) << gone;
  write("number 8..\n");
  tend(10, 0);
  for (const char* gone : {".1", ".2"}) EXPECT_FALSE(std::filesystem::exists(path(gone))) << gone;
  EXPECT_EQ(text(), "");
}

TEST_F(AccessLogFilesTest, AreLeftAloneWhileSmall) {
  write("small\n");
  EXPECT_TRUE(tend().empty());
  write("er\n");
  EXPECT_EQ(text(), "small\ner\n");
}

TEST_F(AccessLogFilesTest, AreOpenedAnewWhenSomebodyElseHasMovedOrRemovedThem) {
  write("one\n");
  std::filesystem::rename(path(), path("-20261123"));
  EXPECT_EQ(tend(), std::vector<std::string>{"shop"});
  write("two\n");
  EXPECT_EQ(text(), "two\n");
  std::filesystem::remove(path());
  EXPECT_EQ(tend(), std::vector<std::string>{"shop"});
  EXPECT_EQ(text("-20261123"), "one\n");
}

TEST_F(AccessLogFilesTest, AreAllOpenedAnewWhenAsked) {
  write("one\n");
  EXPECT_EQ(tend(10, 2, true), std::vector<std::string>{"shop"});
  write("two\n");
  EXPECT_EQ(text(), "one\ntwo\n");
}

TEST_F(AccessLogFilesTest, AreNoSymlinks) {
  std::filesystem::create_symlink("/dev/null", path());
  EXPECT_EQ(files_.open("shop"), -1);
  std::filesystem::remove(path());
  EXPECT_EQ(tend(), std::vector<std::string>{"shop"});
  EXPECT_GE(files_.open("shop"), 0);
}

TEST_F(AccessLogFilesTest, OfAppsThatAreGoneAreClosed) {
  write("one\n");
  files_.keep_only({});
  EXPECT_TRUE(tend(1, 1, true).empty());
}

}  // namespace
}  // namespace fleet
