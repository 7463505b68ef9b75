#include "policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleet::fetch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::string_literals;

constexpr Limits kWide{1ull << 40, 1000, 64, 200};

Entry file(std::string name, std::uint32_t mode = 0644) { return {std::move(name), EntryKind::file, "", mode}; }
Entry folder(std::string name) { return {std::move(name), EntryKind::folder, "", 0755}; }
Entry symlink(std::string name, std::string to) { return {std::move(name), EntryKind::symlink, std::move(to), 0777}; }
Entry hardlink(std::string name, std::string to) { return {std::move(name), EntryKind::hardlink, std::move(to), 0644}; }

class PolicyTest : public ::testing::Test {
 protected:
  // Admits all but the last entry, and gives back why the last was refused, or "admitted".
  std::string last_of(std::vector<Entry> entries) {
    Policy policy(kWide, 1000);
    for (std::size_t i = 0; i + 1 < entries.size(); ++i) {
      const auto admitted = policy.admit(entries[i]);
      EXPECT_TRUE(admitted) << (admitted ? "" : admitted.error().text);
    }
    const auto admitted = policy.admit(entries.back());
    return admitted ? "admitted" : admitted.error().text;
  }
  Policy policy_{kWide, 1000};
};

TEST_F(PolicyTest, AdmitsAFileWithTheFoldersThatItImplies) {
  const auto admitted = policy_.admit(file("a/b/c.txt"));
  ASSERT_TRUE(admitted);
  EXPECT_EQ(admitted->path, "a/b/c.txt");
  EXPECT_THAT(admitted->new_folders, ElementsAre("a", "a/b"));
  EXPECT_EQ(policy_.entries(), 3u);
}

TEST_F(PolicyTest, ImpliesAFolderOnlyOnce) {
  ASSERT_TRUE(policy_.admit(file("a/x")));
  const auto admitted = policy_.admit(file("a/y"));
  ASSERT_TRUE(admitted);
  EXPECT_TRUE(admitted->new_folders.empty());
}

TEST_F(PolicyTest, LeavesDotsAndDoubledSlashesOut) {
  EXPECT_EQ(policy_.admit(file("./a//./b"))->path, "a/b");
  EXPECT_EQ(policy_.admit(folder("c/./"))->path, "c");
}

TEST_F(PolicyTest, AdmitsTheRootAsAFolderOnly) {
  EXPECT_EQ(policy_.admit(folder("./"))->path, "");
  EXPECT_EQ(policy_.entries(), 0u);
  EXPECT_THAT(last_of({file("./")}), HasSubstr("no file's name"));
  EXPECT_THAT(last_of({symlink(".", "x")}), HasSubstr("no file's name"));
}

TEST_F(PolicyTest, NamesTheEntryThatItRefuses) {
  EXPECT_EQ(last_of({file("x/../../etc/passwd")}), "archive entry refused: x/../../etc/passwd: its name has a '..'");
}

TEST_F(PolicyTest, RefusesNamesThatLeadElsewhere) {
  EXPECT_THAT(last_of({file("/etc/passwd")}), HasSubstr("absolute"));
  EXPECT_THAT(last_of({folder("/")}), HasSubstr("absolute"));
  EXPECT_THAT(last_of({file("..")}), HasSubstr("'..'"));
  EXPECT_THAT(last_of({file("a/..")}), HasSubstr("'..'"));
  EXPECT_THAT(last_of({file("a/../b")}), HasSubstr("'..'"));
  EXPECT_EQ(last_of({file("..a/b..")}), "admitted");
  EXPECT_EQ(last_of({file("...")}), "admitted");
}

TEST_F(PolicyTest, RefusesNamesThatAreNoText) {
  EXPECT_THAT(last_of({file("")}), HasSubstr("empty"));
  EXPECT_THAT(last_of({file("a\0b"s)}), HasSubstr("a\\x00b: its name has control characters"));
  EXPECT_THAT(last_of({file("a\nb")}), HasSubstr("control"));
  EXPECT_THAT(last_of({file("a\x1b[2J")}), HasSubstr("a\\x1b[2J"));
  EXPECT_THAT(last_of({file("a\x7f")}), HasSubstr("control"));
  EXPECT_THAT(last_of({file("caf\xe9")}), HasSubstr("not UTF-8"));
  EXPECT_EQ(last_of({file("café")}), "admitted");
}

TEST_F(PolicyTest, RefusesNamesThatAreTooLong) {
  EXPECT_EQ(last_of({file(std::string(255, 'a'))}), "admitted");
  EXPECT_THAT(last_of({file(std::string(256, 'a'))}), HasSubstr("too long"));
  std::string path = "a";
  while (path.size() <= 4000) path += "/" + std::string(200, 'a');
  EXPECT_THAT(last_of({file(path)}), HasSubstr("too long"));
}

TEST_F(PolicyTest, RefusesDevicesFifosAndSockets) {
  EXPECT_THAT(last_of({{"dev/sda", EntryKind::special, "", 0600}}), HasSubstr("device, fifo or socket"));
}

TEST_F(PolicyTest, RefusesAFileThatComesTwice) {
  EXPECT_THAT(last_of({file("a"), file("a")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({file("a"), file("./a")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({file("a"), folder("a")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({folder("a"), file("a")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({file("a/b"), file("a")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({file("a/b"), symlink("a", "c")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({symlink("a", "b"), file("a")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({symlink("a", "b"), symlink("a", "b")}), HasSubstr("comes twice"));
  EXPECT_THAT(last_of({file("f"), hardlink("f", "f")}), HasSubstr("comes twice"));
}

TEST_F(PolicyTest, TakesAFolderThatComesTwiceForOne) {
  ASSERT_TRUE(policy_.admit(file("a/b")));
  const auto again = policy_.admit(folder("a/"));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->is_known_folder);
  EXPECT_EQ(policy_.entries(), 2u);
}

TEST_F(PolicyTest, RefusesNamesThatDifferInCaseOnly) {
  EXPECT_THAT(last_of({file("README"), file("readme")}), HasSubstr("clashes with README"));
  EXPECT_THAT(last_of({file("lib/x"), file("LIB/y")}), HasSubstr("clashes with lib"));
  EXPECT_THAT(last_of({file("straße"), file("STRASSE")}), HasSubstr("clashes"));
  EXPECT_THAT(last_of({folder("É"), file("é/x")}), HasSubstr("clashes"));
}

TEST_F(PolicyTest, RefusesNamesThatDifferInUnicodeFormOnly) {
  EXPECT_THAT(last_of({file("caf\u00e9"), file("cafe\u0301")}), HasSubstr("clashes"));
  EXPECT_THAT(last_of({file("a"), file("a\u200d")}), HasSubstr("clashes"));
}

TEST_F(PolicyTest, AdmitsNothingThroughALinkOrAFile) {
  EXPECT_THAT(last_of({symlink("a", "b"), file("a/x")}), HasSubstr("passes through a, which is no folder"));
  EXPECT_THAT(last_of({symlink("d/a", "b"), folder("d/a/x")}), HasSubstr("passes through d/a"));
  EXPECT_THAT(last_of({file("a"), file("a/x")}), HasSubstr("passes through a"));
}

TEST_F(PolicyTest, AdmitsSymlinksThatStayWithin) {
  EXPECT_EQ(policy_.admit(symlink("bin/tool", "../lib/tool.js"))->link, "../lib/tool.js");
  EXPECT_EQ(last_of({symlink("current", "releases/1")}), "admitted");
  EXPECT_EQ(last_of({symlink("a/b/up", "../..")}), "admitted");
  EXPECT_EQ(last_of({symlink("a/b/up", ".././../x")}), "admitted");
}

TEST_F(PolicyTest, RefusesSymlinksThatLeadOut) {
  EXPECT_THAT(last_of({symlink("a", "/etc")}), HasSubstr("target is absolute"));
  EXPECT_THAT(last_of({symlink("a", "..")}), HasSubstr("leads out"));
  EXPECT_THAT(last_of({symlink("a/b", "../..")}), HasSubstr("leads out"));
  EXPECT_THAT(last_of({symlink("a/b", "../../x")}), HasSubstr("leads out"));
  EXPECT_THAT(last_of({symlink("a", "")}), HasSubstr("target is empty"));
  EXPECT_THAT(last_of({symlink("a", "b\0c"s)}), HasSubstr("control"));
}

// p/q/up leads to the root, so p/q/up/.. would be the root's parent although its text reads as p/q.
TEST_F(PolicyTest, RefusesSymlinksThatClimbFromWhereAnotherLinkLeads) {
  EXPECT_THAT(last_of({symlink("p/q/up", "../.."), symlink("out", "p/q/up/../x")}), HasSubstr("'..' after a name"));
  EXPECT_THAT(last_of({symlink("s", "a/../b")}), HasSubstr("'..' after a name"));
}

TEST_F(PolicyTest, AdmitsHardlinksToEarlierFilesOnly) {
  EXPECT_EQ(last_of({file("a/f"), hardlink("b", "./a/f")}), "admitted");
  EXPECT_EQ(last_of({file("f"), hardlink("g", "f"), hardlink("h", "g")}), "admitted");
  EXPECT_THAT(last_of({hardlink("b", "later")}), HasSubstr("no earlier file"));
  EXPECT_THAT(last_of({hardlink("b", "b")}), HasSubstr("no earlier file"));
  EXPECT_THAT(last_of({file("F"), hardlink("b", "f")}), HasSubstr("no earlier file"));
  EXPECT_THAT(last_of({folder("d"), hardlink("b", "d")}), HasSubstr("no earlier file"));
  EXPECT_THAT(last_of({symlink("s", "x"), hardlink("b", "s")}), HasSubstr("no earlier file"));
  EXPECT_THAT(last_of({hardlink("b", "/etc/passwd")}), HasSubstr("absolute"));
  EXPECT_THAT(last_of({hardlink("b", "../x")}), HasSubstr("'..'"));
}

TEST_F(PolicyTest, StripsStickyAndWritingByOthers) {
  EXPECT_EQ(policy_.admit(file("a", 01777))->mode, 0755u);
  EXPECT_EQ(policy_.admit(file("b", 0666))->mode, 0644u);
}

TEST_F(PolicyTest, RefusesSetuidAndSetgidFiles) {
  EXPECT_EQ(last_of({file("bin/su", 04755)}), "archive entry refused: bin/su: it is setuid or setgid");
  EXPECT_THAT(last_of({file("bin/wall", 02755)}), HasSubstr("it is setuid or setgid"));
  Entry shared = folder("shared");
  shared.mode = 02775;
  EXPECT_EQ(last_of({shared}), "admitted") << "folders of a group are common, and the bit is dropped";
}

TEST_F(PolicyTest, CountsImpliedFoldersAgainstTheLimit) {
  Policy policy({1000, 3, 64, 200}, 1000);
  ASSERT_TRUE(policy.admit(file("a/b/c")));
  EXPECT_THAT(policy.admit(file("d")).error().text, HasSubstr("d: more than 3 entries"));
}

TEST_F(PolicyTest, RefusesWhatIsTooDeep) {
  Policy policy({1000, 100, 3, 200}, 1000);
  EXPECT_TRUE(policy.admit(file("a/b/c")));
  EXPECT_THAT(policy.admit(file("a/b/c2/d")).error().text, HasSubstr("deeper than 3"));
}

TEST_F(PolicyTest, RefusesWhatIsTooLarge) {
  Policy policy({100, 100, 3, 200}, 1000);
  EXPECT_TRUE(policy.grow("a", 60));
  EXPECT_TRUE(policy.grow("b", 40));
  EXPECT_THAT(policy.grow("c", 1).error().text, HasSubstr("c: more than 100 bytes unpacked"));
  EXPECT_FALSE(policy.grow("d", ~0ull));
  EXPECT_EQ(policy.bytes(), 100u);
}

TEST_F(PolicyTest, RefusesARatioOnlyAboveTheFloor) {
  Policy policy({1ull << 40, 100, 3, 200}, 1000);
  EXPECT_TRUE(policy.grow("zeros", kRatioFloor));
  EXPECT_THAT(policy.grow("zeros", 1).error().text, HasSubstr("more than 200 times its size"));
  Policy honest({1ull << 40, 100, 3, 200}, 1u << 20);
  EXPECT_TRUE(honest.grow("data", 200u << 20));
}

}  // namespace
}  // namespace fleet::fetch
