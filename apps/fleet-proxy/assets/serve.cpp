// The asset server's own process: threads that may wait for the disk, none for a client. What a socket does not take at
// once is parked until it does.
#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>

#include "assets/answer.hpp"
#include "assets/confine.hpp"
#include "assets/job.hpp"
#include "assets/server.hpp"

namespace fleet::proxy::assets {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kThreads = 8;
constexpr std::size_t kMostAtOnce = 512;                  // answers; further ones are refused
constexpr std::size_t kTurn = 4u << 20;                   // bytes, then others get a turn
constexpr std::chrono::minutes kParkedFor{10};            // a worker cuts its slow clients long before
constexpr unsigned kDescriptors = 2 * kMostAtOnce + 64;

constexpr std::string_view kNotFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

struct Sending {
  os::Fd socket, file;
  std::string job;   // encoded, until it is looked at
  std::string head;  // not sent yet
  off_t at = 0;
  std::uint64_t left = 0;  // of the file
  Clock::time_point parked_until{};
};

int open_beneath(int folder, const char* path, std::uint64_t flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  return static_cast<int>(::syscall(SYS_openat2, folder, path, &how, sizeof how));
}

// A regular file within the release, by no link.
os::Fd open_file(const Place& place, struct stat& is) {
  if (!place.root.starts_with('/') || !is_plain(place.file)) return {};
  const os::Fd root(open_beneath(AT_FDCWD, place.root.c_str(), O_PATH | O_DIRECTORY, RESOLVE_NO_MAGICLINKS));
  if (!root) return {};
  os::Fd file(open_beneath(root.get(), place.file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY,
                           RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
  if (!file || ::fstat(file.get(), &is) != 0 || !S_ISREG(is.st_mode)) return {};
  return file;
}

void look(Sending& sending) {
  sending.head = kNotFound;
  const auto job = wire::decode<Job>(std::exchange(sending.job, {}));
  http::HeadScanner scanner;
  const auto length = job ? scanner.scan(job->head) : http::Parsed<std::size_t>(0);
  http::RequestHead request;
  if (!length || *length == 0 || !http::parse_request(std::string_view(job->head).substr(0, *length), request)) return;
  if (request.method != http::Method::get && request.method != http::Method::head) return;
  for (const auto& place : job->places) {
    struct stat is {};
    sending.file = open_file(place, is);
    if (!sending.file) continue;
    const FileFacts facts{static_cast<std::uint64_t>(is.st_size), is.st_ino, is.st_mtim.tv_sec,
                          static_cast<std::uint32_t>(is.st_mtim.tv_nsec)};
    auto made = reply(request, facts, place.file, std::time(nullptr));
    sending.head = std::move(made.head);
    sending.at = static_cast<off_t>(made.first);
    sending.left = made.length;
    return;
  }
}

// False: it is over, whole or not. A file that has become shorter ends its answer early, which the worker sees.
bool send_on(Sending& sending) {
  while (!sending.head.empty()) {
    const int more = sending.left > 0 ? MSG_MORE : 0;
    const auto sent = ::send(sending.socket.get(), sending.head.data(), sending.head.size(), MSG_NOSIGNAL | more);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    sending.head.erase(0, static_cast<std::size_t>(sent));
  }
  for (std::size_t taken = 0; sending.left > 0 && taken < kTurn;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(sending.left, kTurn));
    const auto sent = ::sendfile(sending.socket.get(), sending.file.get(), &sending.at, wanted);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    if (sent == 0) return false;
    sending.left -= static_cast<std::uint64_t>(sent);
    taken += static_cast<std::size_t>(sent);
  }
  return sending.left > 0;
}

class Threads {
 public:
  explicit Threads(int wake) : wake_(wake) {
    for (unsigned i = 0; i < kThreads; ++i) std::thread([this] { work(); }).detach();
  }

  void give(Sending sending) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(sending));
    }
    some_.notify_one();
  }
  // Those whose sockets are full; `over` more have ended.
  std::vector<Sending> take_full(std::size_t& over) {
    const std::lock_guard lock(mutex_);
    over = std::exchange(over_, 0);
    return std::exchange(full_, {});
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      some_.wait(lock, [this] { return !waiting_.empty(); });
      auto sending = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      if (!sending.job.empty()) look(sending);
      const bool goes_on = send_on(sending);
      if (!goes_on) sending.socket.reset(), sending.file.reset();
      lock.lock();
      if (goes_on) full_.push_back(std::move(sending));
      else ++over_;
      lock.unlock();
      const std::uint64_t one = 1;
      (void)!::write(wake_, &one, sizeof one);
    }
  }

  const int wake_;
  std::mutex mutex_;
  std::condition_variable some_;
  std::deque<Sending> waiting_;
  std::vector<Sending> full_;
  std::size_t over_ = 0;
};

// One datagram with its descriptor. False: the worker is gone.
bool receive(int jobs, std::vector<char>& buffer, Sending& sending) {
  iovec bytes{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes, message.msg_iovlen = 1;
  message.msg_control = control.data(), message.msg_controllen = control.size();
  const auto got = ::recvmsg(jobs, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  const auto* passed = CMSG_FIRSTHDR(&message);
  if (!passed || passed->cmsg_level != SOL_SOCKET || passed->cmsg_type != SCM_RIGHTS) return true;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(passed), sizeof fd);
  sending.socket.reset(fd);
  if ((message.msg_flags & MSG_TRUNC) == 0) sending.job.assign(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

void run(int jobs, int wake, Threads& threads) {
  std::vector<Sending> parked;
  std::vector<pollfd> polled;
  std::vector<char> buffer(kMaxJob);
  std::size_t open = 0;
  for (;;) {
    polled.assign({{jobs, POLLIN, 0}, {wake, POLLIN, 0}});
    for (const auto& one : parked) polled.push_back({one.socket.get(), POLLOUT, 0});
    if (::poll(polled.data(), polled.size(), parked.empty() ? -1 : 10'000) < 0 && errno != EINTR) return;
    const auto now = Clock::now();
    std::vector<Sending> still;
    for (std::size_t i = 0; i < parked.size(); ++i) {
      if (polled[i + 2].revents != 0) threads.give(std::move(parked[i]));
      else if (now < parked[i].parked_until) still.push_back(std::move(parked[i]));
      else --open;
    }
    parked = std::move(still);
    if (polled[1].revents != 0) {
      std::uint64_t count = 0;
      (void)!::read(wake, &count, sizeof count);
      std::size_t over = 0;
      for (auto& full : threads.take_full(over)) {
        full.parked_until = now + kParkedFor;
        parked.push_back(std::move(full));
      }
      open -= over;
    }
    for (bool more = polled[0].revents != 0; more;) {
      Sending sending;
      if (!receive(jobs, buffer, sending)) return;
      more = static_cast<bool>(sending.socket);
      if (sending.job.empty() || open >= kMostAtOnce) continue;  // its socket closes, and the application's 404 stands
      ++open;
      threads.give(std::move(sending));
    }
  }
}

// Only the jobs are kept, as descriptor 3; what goes to standard error does until say_no_more().
void keep_only(os::Fd& jobs) {
  if (jobs.get() != 3) {
    ::dup3(jobs.get(), 3, O_CLOEXEC);
    (void)jobs.release();
    jobs.reset(3);
  }
  ::close_range(4, ~0u, 0);
}

void say_no_more(const os::Fd& null) {
  for (int fd = 0; fd < 3; ++fd) ::dup2(null.get(), fd);
}

}  // namespace

void serve(os::Fd jobs, const std::string& releases) {
  // A stop is for the worker, which may still have requests to answer.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, "fleet-assets");
  keep_only(jobs);
  ::mallopt(M_ARENA_MAX, 1);
  const os::Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const os::Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (auto confined = confine_files(releases, kDescriptors); !confined) {
    spdlog::error("no files of former releases are given: {}", confined.error().text);
    ::_exit(1);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Threads threads(wake.get());
  say_no_more(null);
  if (!allow_serving_only()) ::_exit(1);
  run(jobs.get(), wake.get(), threads);
  ::_exit(0);
}

}  // namespace fleet::proxy::assets
