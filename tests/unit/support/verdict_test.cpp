// The judges of the e2e tests are themselves tested: a page that is cut or mixed, a transaction that is lost or
// doubled, must not pass.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/ledger.hpp"
#include "support/load.hpp"

namespace fleet::test {
namespace {

std::string with_sum(const std::string& lines) {
  std::uint32_t sum = 2166136261u;
  for (const char c : lines) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619u;
  char text[16];
  std::snprintf(text, sizeof text, "sum=%08x\n", sum);
  return lines + text;
}

TEST(VersionOf, ReadsTheVersionOfAWholePage) {
  EXPECT_EQ(version_of(with_sum("version=v7 instance=i1\nversion=v7 instance=i1\n")).value_or("none"), "v7");
  EXPECT_EQ(version_of(with_sum("tx=a-1 version=v7 instance=i1\n"), "a-1").value_or("none"), "v7");
}

TEST(VersionOf, RefusesAPageThatIsCutMixedOrForeign) {
  const auto whole = with_sum("version=v7 instance=i1\nversion=v7 instance=i1\n");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(version_of(whole.substr(0, length))) << length;
  }
  EXPECT_FALSE(version_of(whole + "x"));
  EXPECT_FALSE(version_of(with_sum("version=v7 instance=i1\nversion=v8 instance=i1\n")));
  EXPECT_FALSE(version_of(with_sum("no such thing\n")));
  EXPECT_FALSE(version_of(with_sum("tx=a-1 version=v7 instance=i1\n"), "a-2"));
  auto flipped = whole;
  flipped[3] = 'z';
  EXPECT_FALSE(version_of(flipped));
}

class Ledgers : public ::testing::Test {
 protected:
  Ledgers() {
    std::string name = (std::filesystem::temp_directory_path() / "fleet-ledger-XXXXXX").string();
    directory = ::mkdtemp(name.data());
    write("ledger-a.log", "t-1\nt-2\n");
    write("ledger-b.log", "t-3\n");
  }
  ~Ledgers() override { std::filesystem::remove_all(directory); }
  void write(const std::string& name, const std::string& text) { std::ofstream(directory + "/" + name) << text; }

  std::string directory;
};

TEST_F(Ledgers, AreExactWhenEachAcknowledgedIdIsThereOnce) {
  EXPECT_TRUE(check_ledgers({{"t-1", "t-2", "t-3"}, {"t-4"}}, directory).exact());
  EXPECT_TRUE(check_ledgers({{"t-1", "t-2"}, {"t-3"}}, directory).exact()) << "an uncertain one may be there";
}

TEST_F(Ledgers, ShowWhatIsLostDoubledOrNeverSent) {
  EXPECT_EQ(check_ledgers({{"t-1", "t-2", "t-3", "t-4"}, {}}, directory).lost, 1u);
  EXPECT_EQ(check_ledgers({{"t-1", "t-2"}, {}}, directory).foreign, 1u);
  write("ledger-c.log", "t-3\n");
  EXPECT_EQ(check_ledgers({{"t-1", "t-2", "t-3"}, {}}, directory).twice, 1u);
  EXPECT_EQ(check_ledgers({{"t-1", "t-2"}, {"t-3"}}, directory).twice, 1u) << "not even an uncertain one";
}

TEST_F(Ledgers, AreNotExactWhenNothingWasAcknowledged) {
  EXPECT_FALSE(check_ledgers({{}, {"t-1", "t-2", "t-3"}}, directory).exact());
}

TEST_F(Ledgers, CanBeReadForOneRunAlone) {
  write("ledger-c.log", "u-1\n");
  EXPECT_TRUE(check_ledgers({{"u-1"}, {}}, directory, "u-").exact());
}

}  // namespace
}  // namespace fleet::test
