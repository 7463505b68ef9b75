// B6: the disk answers with errors. A release is there whole and was said to be, or there is nothing of it and the fetch
// says why.
#include <algorithm>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "os/dirs.hpp"

namespace fleet::test {
namespace {

using ::testing::IsEmpty;

class BrokenDisk : public FetchTest, public ::testing::WithParamInterface<const char*> {
 protected:
  BrokenDisk() {
    std::vector<Item> items;
    for (int i = 0; i < 12; ++i) {
      items.push_back({"folder-" + std::to_string(i % 3) + "/file-" + std::to_string(i), std::string(70'000, "abcdefgh"[i % 8])});
    }
    url_ = put("app.tar.gz", make_archive(".tar.gz", items));
  }
  // From the given time on that it is called.
  Fetched run_broken(const std::string& call, unsigned from) {
    return run(job(url_), {"strace", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                           "inject=" + call + ":error=EIO:when=" + std::to_string(from) + "+"});
  }
  std::string url_;
};

TEST_P(BrokenDisk, B6_X_IsNeverTakenForSuccessAndLeavesNothing) {
  unsigned failed = 0;
  for (unsigned from = 1; !HasFailure(); from += 1 + from / 4) {
    SCOPED_TRACE(std::string(GetParam()) + " from call " + std::to_string(from) + " on");
    const auto fetched = run_broken(GetParam(), from);
    if (fetched.done) {
      const auto whole = run(job(url_));
      ASSERT_TRUE(whole.failed) << "what was said to be there is not";
      EXPECT_THAT(whole.error(), ::testing::HasSubstr("it exists"));
      break;
    }
    ++failed;
    ASSERT_TRUE(fetched.failed) << "it says nothing";
    EXPECT_THAT(fetched.error(), ::testing::HasSubstr("nput/output error"));
    EXPECT_THAT(releases(), IsEmpty());
  }
  EXPECT_GE(failed, 1u) << "nothing of this was called";
}

INSTANTIATE_TEST_SUITE_P(, BrokenDisk, ::testing::Values("pwrite64", "syncfs", "renameat2", "fsync", "mkdirat", "fchmod"),
                         [](const auto& the) { return std::string(the.param); });

}  // namespace
}  // namespace fleet::test
