#include "app_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_dir.hpp"

namespace fleet {
namespace {

struct AppFile : TempDir {
  std::string complaint() const {
    const auto build = read_app_file(dir, Listens::tcp);
    return build ? "" : build.error().text;
  }
};

TEST_F(AppFile, IsReadFromTheRootOfARelease) {
  EXPECT_EQ(read_app_file(dir, Listens::tcp).value_or(BuildConfig{{"x"}, {}, {}, {}, {}}), BuildConfig());
  write("fleet-app.toml", "command = [\"bin/server\"]\n");
  EXPECT_EQ(read_app_file(dir, Listens::tcp)->command, std::vector<std::string>{"bin/server"});
}

TEST_F(AppFile, ThatIsNotGoodIsRefusedOnOneLine) {
  write("fleet-app.toml", "command = [\"x\"]\nuser = \"root\"\nhosts = []\n");
  EXPECT_EQ(complaint(), "fleet-app.toml:2:1: unknown key \"user\" (and 1 more)");
  write("fleet-app.toml", std::string((64u << 10) + 1, '#'));
  EXPECT_EQ(complaint(), "fleet-app.toml: larger than 64 KiB");
}

TEST_F(AppFile, ThatIsNoFileIsRefusedAndNotFollowed) {
  write("secret", "command = [\"x\"]\n");
  ASSERT_EQ(::symlink((dir + "/secret").c_str(), (dir + "/fleet-app.toml").c_str()), 0);
  EXPECT_EQ(complaint(), "fleet-app.toml: is a link");
  ::unlink((dir + "/fleet-app.toml").c_str());
  ASSERT_EQ(::mkfifo((dir + "/fleet-app.toml").c_str(), 0600), 0);
  EXPECT_EQ(complaint(), "fleet-app.toml: is not a file");
  ::unlink((dir + "/fleet-app.toml").c_str());
  ASSERT_EQ(::mkdir((dir + "/fleet-app.toml").c_str(), 0700), 0);
  EXPECT_EQ(complaint(), "fleet-app.toml: is not a file");
}

}  // namespace
}  // namespace fleet
