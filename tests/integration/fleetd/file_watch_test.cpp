#include "file_watch.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

namespace fleet {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::Pair;

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string pattern = (fs::temp_directory_path() / "fleetd-watch-XXXXXX").string();
    dir = ::mkdtemp(pattern.data());
  }
  ~Files() override { fs::remove_all(dir); }
  std::string path(const std::string& name) const { return dir + "/" + name; }
  void write(const std::string& name, const std::string& text = "x") const { std::ofstream(path(name)) << text; }

  bool watch(const std::vector<std::string>& files) { return watching.watch(files); }
  bool told() {
    for (int i = 0; i < 50 && changes == 0; ++i) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(100));
    }
    return std::exchange(changes, 0) > 0;
  }
  // inotify tells of a change before the call that made it returns.
  bool quiet() {
    io.restart();
    io.poll();
    return changes == 0;
  }

  std::string dir;
  boost::asio::io_context io;
  int changes = 0;
  FileWatch watching{io, [this] { ++changes; }};
};

TEST_F(Files, AreFollowedWhenWrittenReplacedRemovedAndMadeAnew) {
  write("a");
  ASSERT_TRUE(watch({path("a")}));
  write("a", "other");
  EXPECT_TRUE(told());
  write("b");
  EXPECT_TRUE(quiet()) << "b is none of them";
  fs::rename(path("b"), path("a"));
  EXPECT_TRUE(told());
  fs::remove(path("a"));
  EXPECT_TRUE(told());
  write("a");
  EXPECT_TRUE(told());
  fs::permissions(path("a"), fs::perms(0600));
  EXPECT_TRUE(told()) << "it may have become readable";
}

TEST_F(Files, BehindSymlinksOfCertbotAreFollowed) {
  fs::create_directories(path("archive")), fs::create_directories(path("live"));
  write("archive/cert1.pem"), write("archive/cert2.pem");
  fs::create_symlink("../archive/cert1.pem", path("live/cert.pem"));
  EXPECT_THAT(places_of(path("live/cert.pem")),
              ElementsAre(Pair(path("live"), "cert.pem"), Pair(path("archive"), "cert1.pem")));
  ASSERT_TRUE(watch({path("live/cert.pem")}));
  fs::create_symlink("../archive/cert2.pem", path("live/new"));
  fs::rename(path("live/new"), path("live/cert.pem"));
  EXPECT_TRUE(told());
  ASSERT_TRUE(watch({path("live/cert.pem")}));
  write("archive/cert2.pem", "again");
  EXPECT_TRUE(told()) << "the one it leads to now";
}

TEST_F(Files, BehindASwappedFolderAreFollowed) {
  fs::create_directories(path("..1")), fs::create_directories(path("..2"));
  write("..1/tls.crt"), write("..2/tls.crt");
  fs::create_directory_symlink("..1", path("..data"));
  fs::create_symlink("..data/tls.crt", path("tls.crt"));
  ASSERT_TRUE(watch({path("tls.crt")}));
  fs::create_directory_symlink("..2", path("..new"));
  fs::rename(path("..new"), path("..data"));
  EXPECT_TRUE(told());
}

TEST_F(Files, InAFolderThatIsNotThereYetAreFollowed) {
  ASSERT_TRUE(watch({path("later/a.pem")}));
  fs::create_directories(path("later"));
  EXPECT_TRUE(told());
  ASSERT_TRUE(watch({path("later/a.pem")}));
  write("later/a.pem");
  EXPECT_TRUE(told());
}

TEST_F(Files, ThatAreNoLongerAskedForAreForgotten) {
  fs::create_directories(path("one")), fs::create_directories(path("two"));
  write("one/a"), write("two/b");
  ASSERT_TRUE(watch({path("one/a")}));
  ASSERT_TRUE(watch({path("two/b")}));
  write("one/a", "other");
  EXPECT_TRUE(quiet());
  write("two/b", "other");
  EXPECT_TRUE(told());
}

TEST_F(Files, ThatGoInCirclesEnd) {
  fs::create_symlink("b", path("a"));
  fs::create_symlink("a", path("b"));
  EXPECT_LE(places_of(path("a")).size(), 42u);
}

}  // namespace
}  // namespace fleet
