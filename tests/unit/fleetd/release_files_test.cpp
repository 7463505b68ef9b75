#include "release_files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>

#include <filesystem>
#include <fstream>

#include "os/fd.hpp"
#include "temp_dir.hpp"

namespace fleet {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReleaseFiles : public TempDir {
 protected:
  std::string make(const std::string& name, std::size_t bytes = 10'000) const {
    const auto folder = dir + "/" + name;
    fs::create_directories(folder + "/sub");
    std::ofstream(folder + "/sub/file") << std::string(bytes, 'x');
    fs::permissions(folder + "/sub", fs::perms::owner_read | fs::perms::owner_exec);
    fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
    return folder;
  }
};

TEST_F(ReleaseFiles, GoWholly) {
  const auto one = make("1");
  EXPECT_TRUE(remove_release(one));
  EXPECT_TRUE(fs::is_empty(dir));
  EXPECT_TRUE(remove_release(one)) << "and once more";
}

TEST_F(ReleaseFiles, AreAbandonedOnceNobodyHoldsThem) {
  make("1");
  const auto left = make("2.tmp-17"), held = make("3.tmp-18");
  make("4.tmp-x");
  const os::Fd lock(::open(held.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(abandoned_in(dir), ElementsAre(left));
  EXPECT_THAT(abandoned_in(dir + "/none"), IsEmpty());
}

TEST_F(ReleaseFiles, GiveBackWhatNoOtherReleaseShares) {
  const auto one = make("1", 100'000), two = make("2", 1);
  fs::permissions(two + "/sub", fs::perms::owner_all);
  fs::create_hard_link(one + "/sub/file", two + "/sub/shared");
  Reclaim only_one, both;
  EXPECT_LT(only_one.count(one), 100'000u) << "the file stays in the other";
  EXPECT_LT(both.count(one), 100'000u);
  EXPECT_GE(both.count(two), 100'000u) << "and goes with the last";
}

}  // namespace
}  // namespace fleet
