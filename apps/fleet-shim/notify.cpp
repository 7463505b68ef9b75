#include "notify.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "os/process_tree.hpp"
#include "os/unix_socket.hpp"

namespace fleet::shim {
namespace {

constexpr std::size_t kMaxStatus = 256;
constexpr std::size_t kMaxDatagram = 4096;
constexpr int kDeepest = 64;

// Length of the UTF-8 character that `text` begins with; 0 when it is none (RFC 3629, section 4, without its finer
// points: what matters is that it survives as text).
std::size_t character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  std::size_t length = 1;
  if (first >= 0xc2) length = 2;
  if (first >= 0xe0) length = 3;
  if (first >= 0xf0) length = 4;
  const bool begins = first < 0x80 || (first >= 0xc2 && first < 0xf5);
  if (!begins || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = character(text);
    if (out.size() + length > kMaxStatus || out.size() == kMaxStatus) break;
    const bool control = static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f;
    if (length == 0 || control) {
      out.push_back(control ? ' ' : '?');
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

// One that has ended already (systemd-notify does) passes: the file's mode has kept other users out.
bool ours(pid_t pid) {
  for (int i = 0; i < kDeepest && pid != ::getpid(); ++i) {
    const auto entry = os::process_entry(pid);
    if (!entry) return true;
    if (entry->parent <= 1) return false;
    pid = entry->parent;
  }
  return pid == ::getpid();
}

// Closes descriptors that came along (FDSTORE=1), and finds the sender.
pid_t sender(msghdr& message) {
  pid_t pid = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS) {
      ucred who{};
      std::memcpy(&who, CMSG_DATA(header), sizeof who);
      pid = who.pid;
    } else if (header->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        ::close(fd);
      }
    }
  }
  return pid;
}

}  // namespace

Notice parse_notice(std::string_view datagram) {
  Notice notice;
  while (!datagram.empty()) {
    const std::size_t end = std::min(datagram.find('\n'), datagram.size());
    const std::string_view line = datagram.substr(0, end);
    datagram.remove_prefix(std::min(end + 1, datagram.size()));
    if (line == "READY=1") notice.ready = true;
    if (line.starts_with("STATUS=")) notice.status = printable(line.substr(7));
  }
  return notice;
}

Result<> NotifySocket::open(const std::string& path, const std::optional<Identity>& user) {
  TRY(fd_, os::bind_unix_datagram(path, 0600));
  path_ = path;
  if (user && ::chown(path.c_str(), user->uid, user->gid) != 0) return fail_errno("cannot give " + path + " to its user", errno);
  return {};
}

void NotifySocket::close() {
  if (fd_) ::unlink(path_.c_str());
  fd_.reset();
}

std::optional<Notice> NotifySocket::receive() {
  for (;;) {
    char buffer[kMaxDatagram];
    iovec part{buffer, sizeof buffer};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int) * 253)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = fd_ ? ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) : -1;
    if (got < 0) return std::nullopt;
    const pid_t pid = sender(message);
    if ((message.msg_flags & MSG_TRUNC) || !ours(pid)) continue;
    return parse_notice(std::string_view(buffer, static_cast<std::size_t>(got)));
  }
}

}  // namespace fleet::shim
