#include "sandbox.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

namespace fleet::fetch {
namespace {

// Whether `holds` in a child that has given up what `confine` says.
bool in_child(const std::function<Result<>()>& confine, const std::function<bool()>& holds) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(give_up_privileges() && confine() && holds() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status == 0;
}

bool is_denied(long result) { return result == -1 && errno == EPERM; }

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizers need the calls that are denied";
#endif
  }
};

TEST_F(SandboxTest, RunsNoProgramAndMakesNoProcess) {
  EXPECT_TRUE(in_child(deny_dangerous_calls, [] {
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    return is_denied(::execv("/bin/true", arguments)) && is_denied(::fork()) && is_denied(::vfork());
  }));
}

TEST_F(SandboxTest, TracesMountsAndAcceptsNothing) {
  EXPECT_TRUE(in_child(deny_dangerous_calls, [] {
    return is_denied(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)) &&
           is_denied(::mount("x", "/", "tmpfs", 0, nullptr)) && is_denied(::chroot("/")) &&
           is_denied(::mknod("/tmp/x", S_IFCHR | 0600, 0)) && is_denied(::listen(0, 1)) &&
           is_denied(::socket(AF_PACKET, SOCK_RAW, 0)) && is_denied(::socket(AF_BLUETOOTH, SOCK_RAW, 0)) &&
           is_denied(::socket(AF_VSOCK, SOCK_STREAM, 0));
  }));
}

// What comes of it depends on the machine (one without /etc/hosts knows no localhost), but not on the sandbox.
TEST_F(SandboxTest, StillResolvesNamesInThreads) {
  const auto resolve = [] {
    int code = -1;
    std::thread([&code] {
      addrinfo* found = nullptr;
      code = ::getaddrinfo("localhost", "80", nullptr, &found);
      if (code == 0) ::freeaddrinfo(found);
    }).join();
    return code;
  };
  const int outside = resolve();
  EXPECT_TRUE(in_child(deny_dangerous_calls,
                       [&] { return resolve() == outside && ::socket(AF_INET, SOCK_STREAM, 0) >= 0; }));
}

TEST_F(SandboxTest, HasNoNetworkOnceTheBytesAreThere) {
  EXPECT_TRUE(in_child(deny_network, [] {
    return is_denied(::socket(AF_INET, SOCK_STREAM, 0)) && is_denied(::socket(AF_UNIX, SOCK_STREAM, 0)) &&
           is_denied(::connect(0, nullptr, 0)) && ::getpid() > 0;
  }));
}

TEST_F(SandboxTest, WritesOnlyWhereItIsToAndReadsOnlyWhatItNeeds) {
  if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 2) {
    GTEST_SKIP() << "this kernel has no landlock";
  }
  char place[] = "/tmp/fleet-fetch-test-XXXXXX";
  ASSERT_NE(::mkdtemp(place), nullptr);
  const int root = ::open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_TRUE(in_child([&] { return confine_files(root); }, [&] {
    const auto refused = [](int fd) { return fd == -1 && errno == EACCES; };
    const bool inside = ::openat(root, "a", O_WRONLY | O_CREAT, 0600) >= 0 && ::mkdirat(root, "d", 0700) == 0 &&
                        ::linkat(root, "a", root, "d/a", 0) == 0 && ::symlinkat("a", root, "l") == 0 &&
                        ::unlinkat(root, "l", 0) == 0;
    return inside && refused(::open("/tmp/fleet-fetch-outside", O_WRONLY | O_CREAT, 0600)) &&
           refused(::open("/proc/1/status", O_RDONLY)) && refused(::open("/", O_RDONLY | O_DIRECTORY)) &&
           ::mkfifoat(root, "f", 0600) == -1 && ::open("/etc/passwd", O_RDONLY) >= 0;
  }));
  ::close(root);
  std::filesystem::remove_all(place);
}

TEST_F(SandboxTest, BecomesAnotherUserAndStaysIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  EXPECT_TRUE(in_child([] { return become(65534, 65534); }, [] {
    return ::getuid() == 65534 && ::geteuid() == 65534 && ::getegid() == 65534 && ::getgroups(0, nullptr) == 0 &&
           ::setuid(0) != 0;
  }));
}

TEST_F(SandboxTest, LimitsTheSizeOfAFile) {
  EXPECT_TRUE(in_child([] { return limit_resources(1000); },
                       [] {
                         std::signal(SIGXFSZ, SIG_IGN);
                         char name[] = "/tmp/fleet-fetch-test-XXXXXX";
                         const int file = ::mkstemp(name);
                         ::unlink(name);
                         return ::pwrite(file, "x", 1, 999) == 1 && ::pwrite(file, "x", 1, 1000) == -1 &&
                                errno == EFBIG;
                       }));
}

}  // namespace
}  // namespace fleet::fetch
