// C1: the power goes. State is on an ext4 of its own, in a file; what the kernel has not been made to write there is not
// there, so what is in the file is what a power cut at that moment leaves. While fleetd deploys, that is remembered after
// each thing that was written; then the machine "comes up" with each of these states.
//
// This is the file system's own idea of what an fsync covers, and ext4 is kind: it writes what others might not. A disk
// that loses what it has acknowledged, or writes in another order than it was told, is not modelled.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "expect.hpp"
#include "support/strace.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 4096, kAtOnce = 256 * kBlock;
constexpr std::size_t kDisk = 64u << 20;

// What was written since the state before, and what fleet had said to be done by then.
struct State {
  std::map<std::size_t, std::string> blocks;  // by number
  unsigned acknowledged = 0;                  // the newest deploy that had succeeded: 3 is v3; all before had too
};

class PowerCut : public ::testing::Test {
 protected:
  static FleetSetup setup() {
    FleetSetup setup;
    setup.demo_apps[0].lines = {"keep_releases = 1"};
    return setup;
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount";
    fs::create_directory(state());
    const auto made = run({"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-J", "size=4",
                           disk(), std::to_string(kDisk >> 20) + "M"});
    ASSERT_EQ(made.code, 0) << made.err;
    if (!mount(disk())) GTEST_SKIP() << "no loop devices here";
    fs::permissions(state(), fs::perms::owner_all);
  }
  void TearDown() override {
    if (!mounted_) return;
    fleet.reboot();
    unmount();
  }

  std::string state() const { return fleet.root() + "/state"; }
  std::string disk() const { return fleet.root() + "/disk.img"; }

  // commit: nothing is written for its age; noauto_da_alloc: nor for being renamed.
  bool mount(const std::string& image) {
    mounted_ = run({"mount", "-o", "loop,commit=9000,noauto_da_alloc", image, state()}).code == 0;
    return mounted_;
  }
  void unmount() {
    EXPECT_TRUE(eventually([&] { return ::umount(state().c_str()) == 0; })) << strerror(errno);
    mounted_ = false;
  }

  // Deploys v1, v2 and so on, and remembers what the disk was after each write.
  void record(unsigned deploys) {
    find_device();
    const os::Fd image(::open(disk().c_str(), O_RDONLY | O_CLOEXEC));
    known_.assign(kDisk, '\0');
    states_.clear();
    acknowledged_ = 0;
    over_ = false;
    std::jthread watcher([&] { watch(image.get()); });
    fleet.start();
    {
      // Whoever has put something on disk waits until that has been seen.
      Strace unhurried(fleet.pid(), "fsync,fdatasync:delay_exit=60000");
      for (unsigned i = 1; i <= deploys; ++i) {
        EXPECT_TRUE(ended(fleet.deploy({"v" + std::to_string(i)}), kDone));
        acknowledged_ = i;
      }
    }
    over_ = true;
    watcher.join();
    fleet.reboot();
    unmount();
  }

  // The machine comes up with what was on the disk then.
  void comes_up(const State& then, const std::string& image, bool forgets_run) {
    if (forgets_run) fs::remove_all(fleet.root() + "/run");  // as a tmpfs does
    ASSERT_TRUE(mount(image));
    fleet.start();
    const auto done = then.acknowledged;
    for (unsigned id = 1; id <= done; ++id) EXPECT_EQ(fleet.deployment(id).at("state"), "succeeded") << id;
    if (done > 0) {
      EXPECT_TRUE(settled(fleet));
      const auto version = version_at(fleet.http());
      EXPECT_TRUE(version == "v" + std::to_string(done) || version == "v" + std::to_string(done + 1)) << version;
    }
    EXPECT_TRUE(eventually([&] { return fleet.app().at("deployment").is_null(); }));
    EXPECT_TRUE(ended(fleet.deploy({"after"}), kDone));
    EXPECT_TRUE(serves(fleet, "after"));
    EXPECT_TRUE(settled(fleet));
    EXPECT_EQ(servers_running(), 2u);
    for (const auto& entry : fs::recursive_directory_iterator(state())) {
      const auto name = entry.path().filename().string();
      EXPECT_TRUE(name.find(".tmp-") == name.npos && name.find("damaged") == name.npos) << entry.path();
    }
    fleet.reboot();
    unmount();
  }

  Fleet fleet{setup()};
  std::vector<State> states_;

 private:
  // Of the block device that is mounted: fields of /sys/block/NAME/stat.
  struct Written {
    std::uint64_t writes = 0, in_flight = 0;
    bool operator==(const Written&) const = default;
  };
  Written written() const {
    std::ifstream in(device_);
    std::uint64_t fields[9] = {};
    for (auto& field : fields) in >> field;
    return {fields[4], fields[8]};
  }
  void find_device() {
    struct stat is {};
    ASSERT_EQ(::stat(state().c_str(), &is), 0);
    device_ = "/sys/dev/block/" + std::to_string(major(is.st_dev)) + ":" + std::to_string(minor(is.st_dev)) + "/stat";
    ASSERT_TRUE(fs::exists(device_)) << device_;
  }

  // Whenever the disk has been written to: what of it is new, at a moment at which nothing was.
  void watch(int image) {
    Written last{~std::uint64_t{0}, 0};
    while (!over_) {
      const auto before = written();
      if (before == last || before.in_flight > 0) {
        pause_for(milliseconds(1));
        continue;
      }
      State now{{}, acknowledged_};
      collect(image, now);
      if (written() != before) continue;
      last = before;
      for (const auto& [number, bytes] : now.blocks) known_.replace(number * kBlock, kBlock, bytes);
      if (!now.blocks.empty()) states_.push_back(std::move(now));
    }
  }
  void collect(int image, State& into) const {
    std::string part(kAtOnce, '\0');
    for (std::size_t at = 0; at < kDisk; at += kAtOnce) {
      const auto got = ::pread(image, part.data(), part.size(), static_cast<off_t>(at));
      if (got != static_cast<ssize_t>(kAtOnce) || std::memcmp(part.data(), known_.data() + at, kAtOnce) == 0) continue;
      for (std::size_t block = 0; block < kAtOnce; block += kBlock) {
        if (std::memcmp(part.data() + block, known_.data() + at + block, kBlock) == 0) continue;
        into.blocks[(at + block) / kBlock] = part.substr(block, kBlock);
      }
    }
  }

  std::atomic<bool> over_ = false;
  std::atomic<unsigned> acknowledged_ = 0;
  std::string known_;  // the disk as of the last state
  std::string device_;
  bool mounted_ = false;
};

void write_to_image(const State& state, const std::string& image) {
  const os::Fd file(::open(image.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(file.get(), kDisk), 0);
  for (const auto& [number, bytes] : state.blocks) {
    ASSERT_EQ(::pwrite(file.get(), bytes.data(), kBlock, static_cast<off_t>(number * kBlock)), static_cast<ssize_t>(kBlock));
  }
}

// FLEET_EVERY=1 comes up with all of them, FLEET_TIMES=10 deploys ten times as often.
TEST_F(PowerCut, C1_FromWhateverWasOnDiskFleetComesUpWithAllThatItHadSaidToBeDone) {
  record(times(3));
  ASSERT_FALSE(HasFailure());
  ASSERT_GE(states_.size(), 20u);
  const auto image = fleet.root() + "/then.img", trial = fleet.root() + "/trial.img";
  const auto every = every_or(static_cast<unsigned>(states_.size() / 10));
  unsigned tried = 0;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    write_to_image(states_[i], image);
    if (i % every != 0 && i + 1 != states_.size()) continue;
    SCOPED_TRACE("state " + std::to_string(i) + " of " + std::to_string(states_.size()));
    fs::copy_file(image, trial, fs::copy_options::overwrite_existing);
    comes_up(states_[i], trial, i % 2 == 0);
    ++tried;
    if (HasFailure()) break;
  }
  std::printf("came up with %u of %zu states\n", tried, states_.size());
}

}  // namespace
}  // namespace fleet::test
