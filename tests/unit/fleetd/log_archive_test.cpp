#include "log_archive.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <zlib.h>

#include <fstream>

#include "os/fd.hpp"
#include "temp_dir.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const auto kNoon = std::chrono::system_clock::time_point(1'800'000'000s);  // 2027-01-15T08:00:00Z

class LogArchive : public TempDir {
 protected:
  void log(const std::string& name, const std::string& text, std::chrono::system_clock::time_point last = kNoon) {
    write(name, text);
    const timespec time{std::chrono::duration_cast<std::chrono::seconds>(last.time_since_epoch()).count(), 0};
    const timespec times[2] = {time, time};
    ::utimensat(AT_FDCWD, (dir + "/" + name).c_str(), times, 0);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) all.push_back(entry.path().filename().string());
    return all;
  }
  std::string unpacked(const std::string& name) const {
    std::string text(1 << 20, '\0');
    const auto file = ::gzopen((dir + "/" + name).c_str(), "rb");
    const auto got = ::gzread(file, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(file);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
};

TEST_F(LogArchive, TakesWhatWasPutAsideAWhileAgoAndIsAnInstances) {
  log("shop-v1-7.log", "now");
  log("shop-v1-7.log.1", "young", kNoon - 59s);
  log("shop-v1-7.log.2", "old", kNoon - 60s);
  log("shop-v1-7.log.20270115T070000.000Z.gz", "done", kNoon - 1h);
  log("access.log.1", "the proxy's", kNoon - 1h);
  log("notes.log.1", "somebody's", kNoon - 1h);
  EXPECT_THAT(to_compress(dir, kNoon), ElementsAre(dir + "/shop-v1-7.log.2"));
}

TEST_F(LogArchive, HoldsTheSameAndBearsTheTimeOfTheLastLine) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "2027-01-15T08:00:00.000000Z o line " + std::to_string(i) + "\n";
  log("shop-v1-7.log", "now\n");
  log("shop-v1-7.log.1", text);
  log("shop-v1-7.log.2", "older\n", kNoon - 1h);
  ASSERT_TRUE(compress_log(dir + "/shop-v1-7.log.1"));
  const std::string archive = "shop-v1-7.log.20270115T080000.000Z.gz";
  EXPECT_THAT(names(), UnorderedElementsAre("shop-v1-7.log", archive, "shop-v1-7.log.2"));
  EXPECT_EQ(unpacked(archive), text);
  struct stat is {};
  ASSERT_EQ(::stat((dir + "/" + archive).c_str(), &is), 0);
  EXPECT_EQ(is.st_mtime, 1'800'000'000);
  EXPECT_EQ(is.st_mode & 0777, 0640u);
  EXPECT_LT(static_cast<std::size_t>(is.st_size), text.size() / 10);
}

TEST_F(LogArchive, ThatCannotBeWrittenLeavesTheLogAsItIs) {
  log("shop-v1-7.log.1", "text\n");
  const os::Fd other(::open((dir + "/.shop-v1-7.log.gz").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  EXPECT_EQ(compress_log(dir + "/shop-v1-7.log.1").error().kind, ErrorKind::busy);
  EXPECT_EQ(read("shop-v1-7.log.1"), "text\n");
  EXPECT_EQ(compress_log(dir + "/access.log.1").error().kind, ErrorKind::usage);
  EXPECT_FALSE(compress_log(dir + "/shop-v1-8.log.1"));
}

TEST_F(LogArchive, OfEachInstanceTheNewestStay) {
  log("shop-v1-7.log.1", "");
  for (const auto* hour : {"05", "06", "07"}) log(std::string("shop-v1-7.log.20270115T") + hour + "0000.000Z.gz", "");
  log("shop-v1-8.log.20270115T050000.000Z.gz", "");
  prune_archives(dir, 2);
  EXPECT_THAT(names(), UnorderedElementsAre("shop-v1-7.log.1", "shop-v1-7.log.20270115T070000.000Z.gz",
                                            "shop-v1-8.log.20270115T050000.000Z.gz"));
}

}  // namespace
}  // namespace fleet
