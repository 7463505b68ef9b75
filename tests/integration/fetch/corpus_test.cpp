// B4: each archive of tests/corpus is refused for what is wrong with it, and nothing has changed anywhere.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "fetch_test.hpp"
#include "os/dirs.hpp"
#include "store.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainerEq;
using ::testing::HasSubstr;

class CorpusTest : public FetchTest {
 protected:
  // Files with what their refusals have to say.
  std::vector<std::pair<std::string, std::string>> make_corpus() const {
    const std::string folder = root_ + "/corpus";
    const std::string command = "python3 '" FLEET_SOURCE_DIR "/tests/corpus/hostile_archives.py' '" + folder + "'";
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::vector<std::pair<std::string, std::string>> out;
    std::ifstream index(folder + "/index.tsv");
    for (std::string line; std::getline(index, line);) {
      const auto tab = line.find('\t');
      out.emplace_back(folder + "/" + line.substr(0, tab), line.substr(tab + 1));
    }
    return out;
  }
};

TEST_F(CorpusTest, B4_RefusesEachHostileArchiveAndChangesNothing) {
  put("canary", "alive");
  ASSERT_TRUE(run(put("server", "#!/bin/sh\n")).done) << "a release that is there already";
  release_ = root_ + "/releases/2";
  const auto corpus = make_corpus();
  EXPECT_GE(corpus.size(), 100u);
  const auto before = contents_of(root_);
  for (const auto& [file, why] : corpus) {
    SCOPED_TRACE(file);
    auto wanted = job(file);
    wanted.unpack_java = true;
    wanted.max_entries = 5000;  // 50,000 take a busy machine half a minute
    const auto fetched = run(wanted);
    EXPECT_THAT(fetched.error(), HasSubstr(why));
    EXPECT_EQ(fetched.error().find_first_of("\n\r\x1b"), std::string::npos);
    EXPECT_EQ(fetched.exit_code, 1);
    EXPECT_THAT(contents_of(root_), ContainerEq(before));
    ASSERT_TRUE(os::remove_tree(release_));  // so that one that was not refused is the only failure
  }
  EXPECT_FALSE(fs::exists("/tmp/fleet-evil"));
}

}  // namespace
}  // namespace fleet::test
