// Whenever fleet-fetch is killed, a release is there whole or not at all, and the next fetch works and tidies up.
#include <chrono>
#include <csignal>
#include <filesystem>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "os/dirs.hpp"
#include "server.hpp"
#include "store.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::ContainerEq;
using ::testing::ElementsAre;
using Clock = std::chrono::steady_clock;

constexpr int kMoments = 48;

std::string many_files() {
  std::vector<Item> items;
  for (int i = 0; i < 400; ++i) {
    const auto number = std::to_string(i);
    items.push_back({"folder-" + std::to_string(i % 20) + "/file-" + number, std::string(2000, "abcdefgh"[i % 8]) + number});
  }
  return make_archive(".tar.gz", items);
}

class KilledTest : public FetchTest {
 protected:
  void kill_after(const wire::FetchJob& wanted, Clock::duration time) {
    Fetcher fetcher(wanted, env_);
    fetcher.wait_at_most(std::chrono::duration_cast<std::chrono::nanoseconds>(time));
    fetcher.signal(SIGKILL);
    fetcher.wait();
  }

  // Kills at moments spread over all the time that it takes.
  void kill_at_any_moment(const wire::FetchJob& wanted) {
    const auto began = Clock::now();
    const auto first = run(wanted);
    ASSERT_TRUE(first.done) << first.error();
    const auto takes = Clock::now() - began;
    const auto whole = contents_of(root_ + "/releases");
    int found_whole = 0;
    for (int moment = 0; moment < kMoments; ++moment) {
      SCOPED_TRACE(moment);
      ASSERT_TRUE(os::remove_tree(release_));
      kill_after(wanted, takes * moment / (kMoments - 8));
      if (fs::exists(release_)) {
        ++found_whole;
        EXPECT_THAT(contents_of(root_ + "/releases"), ContainerEq(whole));
        ASSERT_TRUE(os::remove_tree(release_));  // as fleetd does, who was not told that it is there
      }
      const auto again = run(wanted);
      ASSERT_TRUE(again.done) << again.error();
      EXPECT_THAT(contents_of(root_ + "/releases"), ContainerEq(whole)) << "and nothing of the killed one is left";
    }
    EXPECT_LT(found_whole, kMoments) << "none was killed early enough to tell";
  }
};

TEST_F(KilledTest, WhileItCopiesVerifiesUnpacksAndPublishes) { kill_at_any_moment(job(put("build", many_files()))); }

TEST_F(KilledTest, WhileItLinksWhatIsKnown) {
  const auto build = put("build", many_files());
  const auto kept = root_ + "/kept";
  fs::create_directory(kept);
  auto first = job(build);
  first.destination = kept + "/1";
  const auto fetched = run(first);
  ASSERT_TRUE(fetched.done) << fetched.error();
  auto wanted = job(build);
  wanted.sha256 = fetched.done->sha256;
  wanted.known.push_back({fetched.done->sha256, first.destination, fetched.done->format, fetched.done->layout, "", "", "",
                          fetched.done->unpacked_bytes, fetched.done->entries});
  const auto whole = contents_of(kept);
  kill_at_any_moment(wanted);
  EXPECT_THAT(contents_of(kept), ContainerEq(whole)) << "what it was linked from is as it was";
}

TEST_F(KilledTest, WhileItDownloads) {
  const auto build = many_files();
  const Server server([&](const Request&, Connection& to) { to.answer("200 OK", build, "ETag: \"v1\"\r\n"); });
  auto wanted = job(server.url("/build.tgz"));
  wanted.sha256 = sha256_of(build);
  kill_at_any_moment(wanted);
}

}  // namespace
}  // namespace fleet::test
