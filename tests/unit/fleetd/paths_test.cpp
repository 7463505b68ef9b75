#include "paths.hpp"

#include <sys/stat.h>

#include "temp_dir.hpp"

namespace fleet {
namespace {

class PathsTest : public TempDir {
 protected:
  mode_t mode(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
};

TEST_F(PathsTest, FoldersAreMadeAsPrivateAsTheyCanBe) {
  const Paths paths{dir + "/state", dir + "/run", "/usr/bin"};
  ASSERT_TRUE(paths.make());
  ASSERT_TRUE(paths.make_for_app("shop", {}));
  ASSERT_TRUE(paths.make() && paths.make_for_app("shop", {})) << "again";
  EXPECT_EQ(mode(paths.run), 0751u);
  EXPECT_EQ(mode(paths.shims()), 0700u);
  EXPECT_EQ(mode(paths.tls()), 0700u);
  EXPECT_EQ(mode(paths.state), 0711u);
  EXPECT_EQ(mode(paths.data("shop")), 0700u);
  EXPECT_EQ(mode(paths.app_releases("shop")), 0710u);
  EXPECT_EQ(mode(paths.http_sockets() + "/shop"), 0700u);
  EXPECT_EQ(mode(paths.app_logs("shop")), 0750u);
}

TEST_F(PathsTest, ProgramsAreBesideThisOne) {
  Config config;
  config.state_dir = "/s";
  config.run_dir = "/r";
  const auto paths = Paths::of(config);
  ASSERT_TRUE(paths);
  EXPECT_TRUE(std::filesystem::exists(paths->programs + "/unit-fleetd"));
  EXPECT_EQ(paths->state, "/s");
}

TEST_F(PathsTest, AFileInTheWayIsAnErrorThatNamesIt) {
  write("state", "x");
  const auto made = Paths{dir + "/state", dir + "/run", ""}.make();
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().text.find(dir + "/state"), std::string::npos);
}

}  // namespace
}  // namespace fleet
