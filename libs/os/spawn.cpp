// The launcher. The child shares our memory until it executes the program (clone with CLONE_VM and CLONE_VFORK, as
// posix_spawn does), so it is quick however large we are, its failure is told through a struct, and the pidfd comes
// with the clone, before anyone could reap. The child calls only async-signal-safe functions and allocates nothing.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "os/mounts.hpp"
#include "os/process.hpp"

namespace fleet::os {
namespace {

constexpr std::size_t kStackBytes = 64u << 10;
constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

enum class Step { none, session, parent, cgroup, limits, mounts, identity, directory, descriptors, exec };

struct Plan {
  std::vector<char*> argv, env;       // null-terminated
  std::vector<std::string> programs;  // candidates for execve, in order
  std::vector<int> sources;           // by target descriptor; -1: /dev/null
  const char* cwd = nullptr;
  bool new_session = true;
  int parent_death_signal = 0;
  pid_t parent = 0;
  const Confinement* confined = nullptr;
  std::string oom_score, cgroup;  // cgroup: the file that lists its processes
  Mounts mounts;
  Step failed = Step::none;
  int error = 0;
};

// As execvp: go on to the next place when a file is not there or not ours to run, and prefer "permission denied".
void execute(Plan& plan) {
  for (const auto& program : plan.programs) {
    ::execve(program.c_str(), plan.argv.data(), plan.env.data());
    if (plan.error != EACCES) plan.error = errno;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) return;
  }
}

bool place_descriptors(Plan& plan) {
  const int count = static_cast<int>(plan.sources.size());
  for (int& source : plan.sources) {  // first out of the way of the targets
    const int from = source >= 0 ? source : ::open("/dev/null", O_RDWR | O_CLOEXEC);
    source = ::fcntl(from, F_DUPFD_CLOEXEC, count);
    if (source < 0) return false;
  }
  for (int target = 0; target < count; ++target) {
    if (::dup2(plan.sources[static_cast<std::size_t>(target)], target) < 0) return false;
  }
  return ::close_range(static_cast<unsigned>(count), ~0u, 0) == 0;
}

bool limit(int resource, std::uint64_t most) {
  if (most == 0) return true;
  const rlimit both{most, most};
  return ::setrlimit(static_cast<__rlimit_resource>(resource), &both) == 0;
}

bool tell_kernel(const char* path, std::string_view text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  ::close(file);
  errno = error;
  return done;
}

bool set_oom_score(const std::string& score) { return score.empty() || tell_kernel("/proc/self/oom_score_adj", score); }
bool enter_cgroup(const std::string& processes) { return processes.empty() || tell_kernel(processes.c_str(), "0"); }

bool set_limits(const Plan& plan) {
  const auto& confined = *plan.confined;
  return limit(RLIMIT_DATA, confined.memory_max) && limit(RLIMIT_NPROC, confined.processes_max) &&
         limit(RLIMIT_NOFILE, confined.open_files) && set_oom_score(plan.oom_score);
}

// By the system calls themselves: the C library's functions would tell our own threads, whose memory this is.
bool become(const Confinement& confined) {
  if (confined.as) {
    const auto& who = *confined.as;
    if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0 ||
        ::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0 ||
        ::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0) {
      return false;
    }
  }
  return !confined.no_new_privileges || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

Step prepare(Plan& plan) {
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &by_default, nullptr);
  if (plan.new_session && ::setsid() < 0) return Step::session;
  if (plan.parent_death_signal != 0) {
    if (::prctl(PR_SET_PDEATHSIG, plan.parent_death_signal) != 0) return Step::parent;
    errno = ESRCH;
    if (::getppid() != plan.parent) return Step::parent;
  }
  if (!enter_cgroup(plan.cgroup)) return Step::cgroup;
  if (!set_limits(plan)) return Step::limits;
  if (!plan.mounts.apply()) return Step::mounts;
  if (!become(*plan.confined)) return Step::identity;
  if (plan.cwd && ::chdir(plan.cwd) != 0) return Step::directory;
  if (!place_descriptors(plan)) return Step::descriptors;
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return Step::none;
}

int child_main(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  plan.failed = prepare(plan);
  if (plan.failed == Step::none) {
    execute(plan);
    plan.failed = Step::exec;
  } else {
    plan.error = errno;
  }
  ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const auto& string : strings) out.push_back(const_cast<char*>(string.c_str()));
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> candidates(const Spawn& what) {
  const std::string& program = what.argv[0];
  if (program.find('/') != std::string::npos) return {program};
  std::string path = kDefaultPath;
  for (const auto& variable : what.env) {
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  }
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    out.push_back((end == begin ? "." : path.substr(begin, end - begin)) + "/" + program);
    begin = end + 1;
  }
  return out;
}

bool has_nul(const std::vector<std::string>& strings) {
  for (const auto& string : strings) {
    if (string.find('\0') != std::string::npos) return true;
  }
  return false;
}

const char* hint(const Spawn& what, const Plan& plan) {
  const std::string& program = plan.programs.back();
  const std::string path = program.starts_with('/') || what.cwd.empty() ? program : what.cwd + "/" + program;
  struct stat file {};
  const bool there = ::stat(path.c_str(), &file) == 0;
  if (plan.error == ENOENT && there) return " (the interpreter it names is missing)";
  if (plan.error == EACCES && there && !(file.st_mode & 0111)) return " (not executable)";
  if (plan.error == ENOEXEC) return " (built for another machine, or a script without #!)";
  return "";
}

std::string mount_keys(const Confinement& confined) {
  if (confined.private_tmp.empty()) return "read_only";
  return confined.read_only ? "private_tmp, read_only" : "private_tmp";
}

std::unexpected<Error> explain(const Spawn& what, const Plan& plan) {
  const std::string start = "cannot start " + what.argv[0];
  switch (plan.failed) {
    case Step::session: return fail_errno(start + ": new session", plan.error);
    case Step::parent: return fail_errno(start + ": parent is gone", plan.error);
    case Step::cgroup: return fail_errno(start + ": cannot enter " + what.confined.cgroup, plan.error);
    case Step::limits: return fail_errno(start + ": cannot set its limits", plan.error);
    case Step::mounts: return fail_errno(start + ": " + mount_keys(what.confined) + ": cannot make mounts of its own", plan.error);
    case Step::identity: return fail_errno(start + ": cannot become its user", plan.error);
    case Step::directory: return fail_errno(start + ": cannot enter " + what.cwd, plan.error);
    case Step::descriptors: return fail_errno(start + ": descriptors", plan.error);
    case Step::none:
    case Step::exec: break;
  }
  auto error = fail_errno(start, plan.error);
  error.error().text += hint(what, plan);
  return error;
}

class Stack {
 public:
  Stack()
      : base_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  ~Stack() {
    if (*this) ::munmap(base_, kStackBytes);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  explicit operator bool() const { return base_ != MAP_FAILED; }
  void* top() const { return static_cast<char*>(base_) + kStackBytes; }

 private:
  void* base_;
};

}  // namespace

Result<Process> spawn(const Spawn& what) {
  if (what.argv.empty() || what.argv[0].empty()) return fail(ErrorKind::usage, "cannot start: no program is named");
  if (has_nul(what.argv) || has_nul(what.env) || has_nul({what.cwd})) {
    return fail(ErrorKind::usage, "cannot start " + what.argv[0] + ": an argument or variable contains a NUL byte");
  }
  Plan plan;
  plan.argv = pointers(what.argv);
  plan.env = pointers(what.env);
  plan.programs = candidates(what);
  plan.sources = {what.in, what.out, what.err};
  plan.sources.insert(plan.sources.end(), what.fds.begin(), what.fds.end());
  plan.cwd = what.cwd.empty() ? nullptr : what.cwd.c_str();
  plan.new_session = what.new_session;
  plan.parent_death_signal = what.parent_death_signal;
  plan.parent = ::getpid();
  plan.confined = &what.confined;
  plan.mounts = Mounts(what.confined);
  if (!what.confined.cgroup.empty()) plan.cgroup = what.confined.cgroup + "/cgroup.procs";
  if (what.confined.oom_score_adj) plan.oom_score = std::to_string(*what.confined.oom_score_adj);

  const Stack stack;
  if (!stack) return fail_errno("cannot start " + what.argv[0], errno);
  // Our handlers must not run in the child, on our memory.
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  int pidfd = -1;
  const pid_t pid = ::clone(child_main, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fail_errno("cannot start " + what.argv[0], error);

  Process process{pid, Fd(pidfd), start_time_of(pid)};
  if (plan.failed == Step::none) return process;
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &info, WEXITED);
  return explain(what, plan);
}

}  // namespace fleet::os
