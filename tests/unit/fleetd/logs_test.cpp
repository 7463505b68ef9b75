#include "logs.hpp"

#include <set>

#include "temp_dir.hpp"

namespace fleet {
namespace {

class Logs : public TempDir {
 protected:
  Logs() {
    paths.state = dir;
    std::filesystem::create_directories(paths.app_logs("shop"));
  }
  // One line as the shim writes it, at this second.
  static std::string line(int second, const std::string& text) {
    char time[40];
    std::snprintf(time, sizeof time, "2026-11-22T23:00:%02d.000000Z o ", second);
    return time + text + "\n";
  }
  void log(const std::string& instance, const std::string& text) { append("log/shop/" + instance + ".log", text); }
  std::vector<std::string> texts(const api::LogsView& view) {
    std::vector<std::string> all;
    for (const auto& l : view.lines) all.push_back(l.text);
    return all;
  }
  api::LogsView read_from(const std::string& cursor, std::uint32_t lines = 100) {
    api::LogQuery query;
    query.cursor = cursor;
    query.lines = lines;
    auto view = read_logs(paths, "shop", query);
    EXPECT_TRUE(view) << view.error().text;
    return view ? *view : api::LogsView{};
  }
  using Texts = std::vector<std::string>;
  Paths paths;
};

TEST_F(Logs, OfSeveralInstancesAreMergedByTime) {
  log("shop-v1-1", line(1, "a") + line(4, "d"));
  log("shop-v1-2", line(2, "b") + line(3, "c"));
  const auto view = read_from("");
  EXPECT_EQ(texts(view), (Texts{"a", "b", "c", "d"}));
  EXPECT_EQ(view.lines[1].instance, "shop-v1-2");
  EXPECT_EQ(view.lines[1].release, 1u);
}

TEST_F(Logs, ShowTheNewestLinesOfAll) {
  log("shop-v1-1", line(1, "a") + line(4, "d"));
  log("shop-v1-2", line(2, "b") + line(3, "c"));
  EXPECT_EQ(texts(read_from("", 2)), (Texts{"c", "d"}));
}

TEST_F(Logs, ACursorGoesOnWhereTheAnswerEnded) {
  log("shop-v1-1", line(1, "a"));
  auto view = read_from("");
  EXPECT_TRUE(read_from(view.cursor).lines.empty());
  log("shop-v1-1", line(2, "b"));
  log("shop-v2-2", line(3, "new instance"));
  view = read_from(view.cursor);
  EXPECT_EQ(texts(view), (Texts{"b", "new instance"}));
  EXPECT_TRUE(read_from(view.cursor).lines.empty());
}

TEST_F(Logs, ACursorOfNothingShowsAllThatComes) {
  const auto nothing = read_from("");
  EXPECT_FALSE(nothing.cursor.empty());
  log("shop-v1-1", line(1, "a"));
  EXPECT_EQ(texts(read_from(nothing.cursor)), Texts{"a"});
}

TEST_F(Logs, ALineIsShownOnceItIsWhole) {
  log("shop-v1-1", line(1, "a") + "2026-11-22T23:00:02.000000Z o half");
  auto view = read_from("");
  EXPECT_EQ(texts(view), Texts{"a"});
  log("shop-v1-1", " and half\n");
  view = read_from(view.cursor);
  EXPECT_EQ(texts(view), Texts{"half and half"});
}

TEST_F(Logs, FollowThroughARotation) {
  log("shop-v1-1", line(1, "a"));
  auto view = read_from("");
  log("shop-v1-1", line(2, "last of the old file"));
  std::filesystem::rename(dir + "/log/shop/shop-v1-1.log", dir + "/log/shop/shop-v1-1.log.1");
  log("shop-v1-1", line(3, "first of the new file, which is longer than all of the old one was") + line(4, "second"));
  view = read_from(view.cursor);
  EXPECT_EQ(texts(view), Texts{"last of the old file"});
  view = read_from(view.cursor);
  EXPECT_EQ(texts(view), (Texts{"first of the new file, which is longer than all of the old one was", "second"}));
  EXPECT_TRUE(read_from(view.cursor).lines.empty());
}

TEST_F(Logs, AFileThatWasCutIsReadFromItsBeginning) {
  log("shop-v1-1", line(1, "a") + line(2, "b"));
  const auto view = read_from("");
  write("log/shop/shop-v1-1.log", line(3, "c"));
  EXPECT_EQ(texts(read_from(view.cursor)), Texts{"c"});
}

TEST_F(Logs, OfOneRelease) {
  log("shop-v1-1", line(1, "old"));
  log("shop-v2-2", line(2, "new"));
  api::LogQuery query;
  query.release = 2;
  const auto view = read_logs(paths, "shop", query);
  ASSERT_TRUE(view);
  EXPECT_EQ(texts(*view), Texts{"new"});
  log("shop-v1-1", line(3, "older"));
  log("shop-v2-2", line(4, "newer"));
  query.cursor = view->cursor;
  EXPECT_EQ(texts(*read_logs(paths, "shop", query)), Texts{"newer"});
}

TEST_F(Logs, NoLogsAreNoError) {
  EXPECT_TRUE(read_from("").lines.empty());
  EXPECT_TRUE(read_logs(paths, "other", {}));
}

TEST_F(Logs, ACursorThatIsNotOursIsRefused) {
  for (const auto* cursor : {"x", "=", "1=2", "=1:2", "1=:2", "1=2:", "1:2=3", "1=2:3,x", "1=-2:3", "1=99999999999999999999:3",
                             "1=2=3:4", "1 =2:3", "1=2:3:4"}) {
    api::LogQuery query;
    query.cursor = cursor;
    const auto view = read_logs(paths, "shop", query);
    ASSERT_FALSE(view) << cursor;
    EXPECT_EQ(view.error().kind, ErrorKind::usage);
  }
}

TEST_F(Logs, ACursorFromFarBeyondTheEndDoesNoHarm) {
  log("shop-v1-1", line(1, "a"));
  EXPECT_EQ(texts(read_from("1=18446744073709551615:0")), Texts{"a"});
}

TEST_F(Logs, WhateverAnApplicationWritesIsALineOfText) {
  log("shop-v1-1", "\n \nno time at all\n" + line(1, std::string("nul\0byte", 8)) + line(2, "") + "\xff\xfe o x\n");
  EXPECT_EQ(read_from("").lines.size(), 6u);
}

TEST_F(Logs, OtherFilesInTheFolderAreNotLogs) {
  append("log/shop/access.log", "{}\n");
  log("shop-v1-1", line(1, "a"));
  append("log/shop/shop-v1-1.log.1", line(0, "rotated"));
  append("log/shop/shop-vx-1.log", "x\n");
  append("log/shop/shop-v1-.log", "x\n");
  std::filesystem::create_symlink("/etc/passwd", dir + "/log/shop/shop-v1-9.log");
  EXPECT_EQ(texts(read_from("")), Texts{"a"});
}

TEST_F(Logs, OfABigFileTheEndIsShown) {
  std::string big;
  for (int i = 0; i < 40'000; ++i) big += line(i % 60, "line " + std::to_string(i) + std::string(40, '.'));
  log("shop-v1-1", big);
  const auto view = read_from("", 3);
  ASSERT_EQ(view.lines.size(), 3u);
  EXPECT_TRUE(view.lines[0].text.starts_with("line 399")) << view.lines[0].text;
  EXPECT_TRUE(read_from(view.cursor).lines.empty());
}

TEST_F(Logs, ALongBacklogComesInPartsAndWhole) {
  const auto start = read_from("");
  std::string big;
  for (int i = 0; i < 40'000; ++i) big += line(1, "line " + std::to_string(i) + std::string(40, '.'));
  log("shop-v1-1", big);
  std::size_t seen = 0;
  auto view = read_from(start.cursor);
  for (int parts = 0; !view.lines.empty() && parts < 100; ++parts) {
    EXPECT_TRUE(view.lines.front().text.starts_with("line " + std::to_string(seen) + "."));
    seen += view.lines.size();
    view = read_from(view.cursor);
  }
  EXPECT_EQ(seen, 40'000u);
}

TEST_F(Logs, LastLinesAreThoseOfOneInstance) {
  log("shop-v1-1", line(1, "a") + line(2, "b") + line(3, "c"));
  log("shop-v1-11", line(1, "x"));
  EXPECT_EQ(last_lines(paths, "shop", "shop-v1-1", 2), (Texts{"b", "c"}));
  EXPECT_TRUE(last_lines(paths, "shop", "shop-v1-7", 2).empty());
}

TEST_F(Logs, PruningSparesTheNewestAndThoseInUse) {
  for (int serial = 1; serial <= 12; ++serial) {
    log("shop-v1-" + std::to_string(serial), "x\n");
    append("log/shop/shop-v1-" + std::to_string(serial) + ".log.1", "x\n");
  }
  append("log/shop/access.log", "{}\n");
  prune_logs(paths, "shop", {"shop-v1-2"}, 3);
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(dir + "/log/shop")) left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{"access.log", "shop-v1-2.log", "shop-v1-2.log.1", "shop-v1-10.log",
                                         "shop-v1-10.log.1", "shop-v1-11.log", "shop-v1-11.log.1", "shop-v1-12.log",
                                         "shop-v1-12.log.1"}));
}

}  // namespace
}  // namespace fleet
