#include "shim.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "os/process_tree.hpp"

namespace fleet::shim {
namespace {

constexpr milliseconds kBetweenStatusTexts{100};
constexpr milliseconds kBetweenLooks{60'000};  // whether its socket is still there, where nobody is connected
constexpr int kMostNotices = 64;  // read in one round

Time earlier(std::optional<Time> a, std::optional<Time> b) {
  return std::min(a.value_or(Time::max()), b.value_or(Time::max()));
}

// Milliseconds for poll(2), rounded up so that the time has come when it returns.
int timeout_until(Time when, Time now) {
  if (when == Time::max()) return -1;
  const auto left = std::chrono::ceil<milliseconds>(when - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

Result<std::vector<std::string>> environment(const wire::Launch& launch) {
  auto env = launch.env;
  if (!launch.notify_socket.empty()) env["NOTIFY_SOCKET"] = launch.notify_socket;
  std::vector<std::string> out;
  for (const auto& [key, value] : env) {
    if (key.empty() || key.find('=') != key.npos) return fail("cannot start: bad variable name '" + key + "'");
    out.push_back(key + "=" + value);
  }
  return out;
}

// A file in memory, from its beginning.
Result<os::Fd> input_of(const std::string& text) {
  os::Fd fd(::memfd_create("input", MFD_CLOEXEC));
  if (!fd) return fail_errno("cannot start: cannot make its input", errno);
  for (std::size_t done = 0; done < text.size();) {
    const auto n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n <= 0) return fail_errno("cannot start: cannot make its input", errno);
    done += static_cast<std::size_t>(n);
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

}  // namespace

Shim::Shim(const Options& options, os::Fd listener, os::Fd signals)
    : options_(options),
      link_(std::move(listener)),
      signals_(std::move(signals)),
      life_(Clock::now(), options.launch_within) {
  status_.version = FLEET_VERSION;
  status_.id = options.id;
  status_.shim_pid = static_cast<std::uint32_t>(::getpid());
}

void Shim::run() {
  while (!leave_) {
    wait();
    perform(life_.tick(Clock::now()));
    if (announce_at_ && Clock::now() >= *announce_at_) announce();
    if (is_out_of_reach()) leave_ = true;
  }
  notify_.close();
  if (!options_.socket.empty()) ::unlink(options_.socket.c_str());
}

// The end of its program is to be told, and whoever may come for it finds no way in: somebody has removed the socket.
bool Shim::is_out_of_reach() const {
  return waits_for_anybody() && !options_.socket.empty() && ::access(options_.socket.c_str(), F_OK) != 0 && errno == ENOENT;
}

bool Shim::waits_for_anybody() const { return life_.phase() == Phase::done && link_.socket() < 0; }

void Shim::wait() {
  enum { kSignals, kListener, kLink, kOut, kErr, kNotify };
  const short link_events = static_cast<short>(link_.has_unsent() ? POLLIN | POLLOUT : POLLIN);
  std::array<pollfd, 6> fds{{{signals_.get(), POLLIN, 0},
                             {link_.listener(), POLLIN, 0},
                             {link_.socket(), link_events, 0},
                             {output_.out().pipe.get(), POLLIN, 0},
                             {output_.err().pipe.get(), POLLIN, 0},
                             {notify_.fd(), POLLIN, 0}}};
  const auto now = Clock::now();
  auto until = earlier(life_.wake_at(), announce_at_);
  if (waits_for_anybody()) until = std::min(until, now + kBetweenLooks);
  if (::poll(fds.data(), fds.size(), timeout_until(until, now)) <= 0) return;
  // Output and notices before ends, and ends before messages: what is told is never older than what was known.
  if (fds[kOut].revents != 0) output_.read(output_.out());
  if (fds[kErr].revents != 0) output_.read(output_.err());
  if (fds[kNotify].revents != 0) on_notices();
  if (fds[kSignals].revents != 0) on_signals();
  if (fds[kLink].revents & POLLOUT) link_.flush();
  if (fds[kLink].revents & (POLLIN | POLLHUP | POLLERR)) on_messages();
  if (fds[kListener].revents != 0 && link_.accept()) announce();
}

void Shim::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM) perform(life_.terminate(Clock::now()));
  }
  on_children();
}

void Shim::on_children() {
  while (const auto ended = os::reap_any()) {
    if (ended->pid != program_.pid) continue;
    status_.exit_code = ended->status.code;
    status_.signal = static_cast<std::uint32_t>(ended->status.signal);
    status_.max_rss_kib = ended->status.max_rss_kib;
    status_.cpu_time = ended->status.cpu_time;
    program_ = {};
    note_out_of_memory();
    if (life_.timed_out()) status_.time_limit = time_limit_;
    output_.drain();
    on_notices();
    perform(life_.ended(Clock::now()));
  }
  if (life_.phase() == Phase::clearing) clear_tree();
}

void Shim::on_notices() {
  for (int i = 0; i < kMostNotices; ++i) {
    const auto notice = notify_.receive();
    if (!notice) return;
    if (notice->status && *notice->status != status_.notify_status) {
      status_.notify_status = *notice->status;
      if (!announce_at_) announce_at_ = Clock::now() + kBetweenStatusTexts;
    }
    if (notice->ready && !status_.ready) {
      status_.ready = true;
      announce();
    }
  }
}

void Shim::on_messages() {
  link_.read();
  while (auto incoming = link_.receive()) {
    const auto& frame = incoming->frame;
    if (frame.type == wire::Launch::kType) {
      launch(std::move(*incoming));
    } else if (frame.type == wire::Stop::kType) {
      const auto stop = wire::decode<wire::Stop>(frame.payload);
      if (!stop) return link_.hang_up();
      perform(life_.stop(stop->signal, stop->grace, Clock::now()));
    } else if (frame.type == wire::Dismiss::kType) {
      perform(life_.dismiss());
    } else {
      return link_.hang_up();
    }
  }
}

void Shim::launch(Incoming incoming) {
  const auto launch = wire::decode<wire::Launch>(incoming.frame.payload);
  if (!launch) return link_.hang_up();
  if (life_.phase() != Phase::empty) return announce();
  status_.id = launch->id;
  const auto started = start(*launch, incoming.fds);
  if (!started) status_.error = started.error().text;
  time_limit_ = launch->time_limit;
  perform(started ? life_.launched(Clock::now(), time_limit_) : life_.launch_failed());
}

Result<> Shim::start(const wire::Launch& launch, const std::vector<os::Fd>& fds) {
  os::Spawn what;
  what.argv = launch.argv;
  what.cwd = launch.cwd;
  TRY(what.env, environment(launch));
  for (const auto& fd : fds) what.fds.push_back(fd.get());
  TRY(const auto ends, output_.open(LogFile(launch.log_file, launch.log_max_bytes, launch.log_keep),
                                    Journal(launch.journal, launch.journal_socket)));
  what.out = ends.out.get();
  what.err = ends.err.get();
  what.confined = launch.confined;
  os::Fd input;
  if (!launch.input.empty()) {
    TRY(input, input_of(launch.input));
    what.in = input.get();
  }
  if (!launch.notify_socket.empty()) TRYV(notify_.open(launch.notify_socket, launch.confined.as));
  cgroup_ = launch.confined.cgroup;
  memory_then_ = os::out_of_memory(cgroup_);
  TRY(program_, os::spawn(what));
  status_.pid = static_cast<std::uint32_t>(program_.pid);
  status_.start_time = program_.start_time;
  return {};
}

wire::ShimState Shim::state() const {
  switch (life_.phase()) {
    case Phase::empty: return wire::ShimState::empty;
    case Phase::running:
    case Phase::clearing: return wire::ShimState::running;
    case Phase::done: return status_.error.empty() ? wire::ShimState::exited : wire::ShimState::failed;
  }
  return wire::ShimState::failed;
}

void Shim::perform(const Actions& actions) {
  if (actions.signal != 0 && program_.pidfd) {
    (void)os::signal(program_.pidfd, actions.signal);
    (void)os::signal(program_.pidfd, SIGCONT);  // one that was halted could not act on it
  }
  if (actions.kill_tree) {
    killed_ = true;
    clear_tree();
  }
  if (life_.phase() == Phase::done) {  // the log is complete before the end is told
    output_.close();
    notify_.close();
    if (!cgroup_.empty()) (void)os::remove_cgroup(cgroup_);
  }
  if (actions.announce) announce();
  if (actions.leave) leave_ = true;
}

// Everything that was ever started here is our descendant, for orphans come to a subreaper; and is in the cgroup, where
// there is one, whoever else put it there.
void Shim::clear_tree() {
  std::vector<os::ProcessEntry> left;
  if (os::has_children()) left = os::descendants(os::processes(), ::getpid());
  os::signal_all(left, SIGKILL);
  const bool others = !cgroup_.empty() && os::is_populated(cgroup_);
  if (others) (void)os::kill_cgroup(cgroup_);
  if (left.empty() && !others) perform(life_.cleared());
}

// One that was killed, while its cgroup counts another killed by the kernel for want of memory, was that.
void Shim::note_out_of_memory() {
  if (cgroup_.empty() || status_.signal != SIGKILL || killed_) return;
  const auto now = os::out_of_memory(cgroup_);
  status_.out_of_memory = now.killed > memory_then_.killed;
  const bool of_its_own = now.reached > memory_then_.reached;
  if (status_.out_of_memory && of_its_own) status_.memory_max = now.limit;
}

void Shim::announce() {
  announce_at_.reset();
  status_.state = state();
  status_.stopping = life_.stopping();
  link_.send(wire::frame(status_));
}

}  // namespace fleet::shim
