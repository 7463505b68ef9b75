#include "link.hpp"

#include <poll.h>

#include <csignal>
#include <vector>

#include "os/fd.hpp"
#include "os/unix_socket.hpp"
#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::chrono::milliseconds kTellEvery{100};

volatile std::sig_atomic_t sigterm_came = 0;

short wait_for(int fd, short events, int timeout_ms) {
  pollfd wanted{fd, events, 0};
  return ::poll(&wanted, 1, timeout_ms) > 0 ? wanted.revents : short{0};
}

}  // namespace

void take_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = [](int) { sigterm_came = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
}

Result<wire::FetchJob> Link::receive_job() {
  wire::FrameReader reader;
  for (;;) {
    TRY(const auto frame, reader.next());
    if (frame) {
      if (frame->type != wire::FetchJob::kType) return fail("the first message is no FetchJob");
      return wire::decode<wire::FetchJob>(frame->payload);
    }
    wait_for(fd_, POLLIN, -1);
    std::string bytes;
    std::vector<os::Fd> fds;
    TRY(const auto got, os::receive_some(fd_, bytes, fds));
    if (got.closed) return fail(ErrorKind::aborted, "the link ended before a job came");
    if (sigterm_came) return fail(ErrorKind::aborted, "stopped before a job came");
    reader.append(bytes);
  }
}

Result<> Link::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = os::send_some(fd_, bytes);
    if (!sent) return fail(ErrorKind::aborted, sent.error().text);
    bytes.remove_prefix(sent->bytes);
    if (sent->would_block) wait_for(fd_, POLLOUT, -1);
  }
  return {};
}

bool Link::stop_asked() const { return sigterm_came || wait_for(fd_, POLLIN | POLLRDHUP, 0) != 0; }

Result<> Progress::enter(wire::FetchPhase phase, std::uint64_t total) {
  now_ = {phase, 0, total, 0};
  told_ = Clock::now();
  rate_.clear();
  rate_.note(told_, 0);
  return link_.send(now_);
}

Result<> Progress::reach(std::uint64_t bytes) {
  now_.bytes = bytes;
  const auto now = Clock::now();
  if (now >= deadline_) return timed_out();
  if (link_.stop_asked()) return fail(ErrorKind::aborted, "stopped");
  if (now - told_ < kTellEvery) return {};
  told_ = now;
  rate_.note(now, bytes);
  now_.rate = rate_.per_second();
  return link_.send(now_);
}

std::unexpected<Error> Progress::timed_out() const {
  return fail(ErrorKind::fetch, "not done within " + spelled(timeout_));
}

}  // namespace fleet::fetch
