#include "logs.hpp"
#include "temp_dir.hpp"

namespace fleet {
namespace {

class AccessLogLines : public TempDir {
 protected:
  using Texts = std::vector<std::string>;

  AccessLogLines() {
    paths.state = dir;
    std::filesystem::create_directories(paths.app_logs("shop"));
  }
  std::string path(const std::string& suffix = "") const { return paths.access_log("shop") + suffix; }
  void log(const std::string& text, const std::string& suffix = "") { append("log/shop/access.log" + suffix, text); }
  void move(const std::string& from, const std::string& to) { std::filesystem::rename(path(from), path(to)); }
  Texts read(std::uint32_t lines = 100) {
    api::LogQuery query;
    query.lines = lines;
    return texts(read_access_log(paths, "shop", query));
  }
  // What came since.
  Texts more() {
    api::LogQuery query;
    query.cursor = cursor;
    return texts(read_access_log(paths, "shop", query));
  }
  Texts texts(const Result<api::LogsView>& view) {
    EXPECT_TRUE(view) << view.error().text;
    if (!view) return {};
    cursor = view->cursor;
    Texts all;
    for (const auto& line : view->lines) {
      EXPECT_EQ(line.instance, "");
      all.push_back(line.text);
    }
    return all;
  }
  Paths paths;
  std::string cursor;
};

TEST_F(AccessLogLines, AreShownAsTheyStandThere) {
  log("{\"ts\":\"2026-11-23T06:00:00.000Z\",\"path\":\"/a b\"}\n127.0.0.1 - ann [23/Nov/2026:06:00:00 +0000] \"GET / HTTP/1.1\"\nhalf");
  EXPECT_EQ(read(), (Texts{"{\"ts\":\"2026-11-23T06:00:00.000Z\",\"path\":\"/a b\"}",
                           "127.0.0.1 - ann [23/Nov/2026:06:00:00 +0000] \"GET / HTTP/1.1\""}));
  log(" a line\n");
  EXPECT_EQ(more(), Texts{"half a line"});
  EXPECT_EQ(more(), Texts{});
}

TEST_F(AccessLogLines, TheNewestAreShownAlsoOfFilesPutAside) {
  log("a\nb\n", ".2");
  log("c\nd\n", ".1");
  log("x\n", "-20261122");
  log("e\n");
  EXPECT_EQ(read(2), (Texts{"d", "e"}));
  EXPECT_EQ(read(4), (Texts{"b", "c", "d", "e"}));
  EXPECT_EQ(read(9), (Texts{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(more(), Texts{});
}

TEST_F(AccessLogLines, OfABigFileTheEndIsShownAndNothingBeforeIt) {
  log("older\n", ".1");
  std::string big;
  for (int i = 0; i < 30'000; ++i) big += "line " + std::to_string(i) + std::string(60, '.') + "\n";
  log(big);
  const auto lines = read(10'000'000);
  EXPECT_TRUE(lines.front().starts_with("line "));
  EXPECT_TRUE(lines.back().starts_with("line 29999."));
  EXPECT_EQ(more(), Texts{});
}

TEST_F(AccessLogLines, AreFollowedThroughARotationAndWhatWorkersWriteLate) {
  log("a\n");
  read();
  log("b\n");
  move("", ".1");
  EXPECT_EQ(more(), Texts{"b"});
  log("c\n", ".1");
  EXPECT_EQ(more(), Texts{"c"});
  log("d\n", ".1");
  log("e\n");
  EXPECT_EQ(more(), (Texts{"d", "e"}));
  log("f\n", ".1");
  EXPECT_EQ(more(), Texts{"f"});
  move(".1", ".2");
  move("", ".1");
  log("g\n", ".1");
  log("h\n");
  EXPECT_EQ(more(), (Texts{"g", "h"}));
  EXPECT_EQ(more(), Texts{});
}

TEST_F(AccessLogLines, AreFollowedThroughSeveralRotationsAtOnce) {
  log("older\n", ".1");
  log("a\n");
  EXPECT_EQ(read(1), Texts{"a"});
  move(".1", ".3");
  move("", ".2");
  log("b\n", ".2");
  log("c\n", ".1");
  log("d\n");
  EXPECT_EQ(more(), (Texts{"b", "c", "d"}));
  EXPECT_EQ(more(), Texts{});
}

TEST_F(AccessLogLines, AreFollowedWhateverNameTheFormerFileGot) {
  log("a\n");
  read();
  log("b\n");
  move("", "-20261123");
  EXPECT_EQ(more(), Texts{"b"});
  log("c\n", "-20261123");
  log("d\n");
  log("not ours", ".1.gz");
  EXPECT_EQ(more(), (Texts{"c", "d"}));
  std::filesystem::remove(path("-20261123"));
  log("e\n");
  EXPECT_EQ(more(), Texts{"e"});
}

TEST_F(AccessLogLines, AreFollowedWhenTheFileWasCutOrRemoved) {
  log("a\nb\n");
  read();
  write("log/shop/access.log", "c\n");
  EXPECT_EQ(more(), Texts{"c"});
  std::filesystem::remove(path());
  EXPECT_EQ(more(), Texts{});
  log("d\n");
  EXPECT_EQ(more(), Texts{"d"});
}

TEST_F(AccessLogLines, AreFollowedFromTheFirstOne) {
  EXPECT_EQ(read(), Texts{});
  EXPECT_FALSE(cursor.empty());
  log("a\n");
  EXPECT_EQ(more(), Texts{"a"});
}

TEST_F(AccessLogLines, OfALongBacklogComeInOrderAndWhole) {
  read();
  constexpr int kCount = 60'000;
  std::string one, two;
  for (int i = 0; i < kCount; ++i) (i < kCount / 2 ? one : two) += "line " + std::to_string(i) + std::string(60, '.') + "\n";
  log("before\n");
  EXPECT_EQ(more(), Texts{"before"});
  log(one);
  move("", ".1");
  log(two);
  int seen = 0;
  for (int parts = 0; seen < kCount && parts < 100; ++parts) {
    for (const auto& line : more()) {
      ASSERT_TRUE(line.starts_with("line " + std::to_string(seen) + ".")) << line;
      ++seen;
    }
  }
  EXPECT_EQ(seen, kCount);
  EXPECT_EQ(more(), Texts{});
}

TEST_F(AccessLogLines, TheCursorStaysShortHoweverManyFilesAreKept) {
  read();
  log("a\n");
  for (int i = 0; i < 20; ++i) {
    more();
    for (int age = i; age > 0; --age) move("." + std::to_string(age), "." + std::to_string(age + 1));
    move("", ".1");
    log("b\n");
  }
  EXPECT_EQ(more(), Texts{"b"});
  EXPECT_LT(cursor.size(), 150u);
}

TEST_F(AccessLogLines, ACursorThatIsNotOursIsRefusedAndNoLinkIsFollowed) {
  api::LogQuery query;
  query.cursor = "1=2";
  EXPECT_EQ(read_access_log(paths, "shop", query).error().kind, ErrorKind::usage);
  std::filesystem::create_symlink("/etc/passwd", path());
  EXPECT_EQ(read(), Texts{});
}

}  // namespace
}  // namespace fleet
