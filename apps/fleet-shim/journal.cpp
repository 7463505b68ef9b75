#include "journal.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <utility>

#include "core/result.hpp"

namespace fleet::shim {

Journal::Journal(std::string fields, std::string socket)
    : fields_(std::move(fields)),
      path_(std::move(socket)),
      socket_(fields_.empty() ? -1 : ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}

void Journal::send(char mark, std::string_view line) {
  if (fields_.empty()) return;
  datagram_.assign(fields_).append(mark == 'o' ? "PRIORITY=6\nMESSAGE=" : "PRIORITY=4\nMESSAGE=").append(line).push_back('\n');
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path_.copy(to.sun_path, sizeof to.sun_path - 1);
  // By its name each time: a journal that was started anew has another socket there.
  const auto sent = ::sendto(socket_.get(), datagram_.data(), datagram_.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&to), sizeof to);
  works_ = sent >= 0;
  if (works_) return;
  error_ = errno;
  ++dropped_;
}

std::string Journal::lost(bool end) {
  if (dropped_ == 0 || (!works_ && !end)) return {};
  const auto text = std::to_string(std::exchange(dropped_, 0)) + " lines did not reach the journal";
  return fail_errno(text, error_).error().text;
}

}  // namespace fleet::shim
