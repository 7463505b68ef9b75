#include "os/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace fleet::os {
namespace {

constexpr std::size_t kMaxFdsPerReceive = 253;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::usage, "socket path is longer than " + std::to_string(sizeof address.sun_path - 1) +
                                      " bytes: " + path + " (choose a shorter run_dir)");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> bind_unix(int type, const std::string& path, mode_t mode) {
  TRY(const sockaddr_un address, address_of(path));
  Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot create a unix socket", errno);
  ::unlink(path.c_str());
  // The mode is set on the socket before bind, so that the file never exists with a wider one.
  if (::fchmod(fd.get(), mode) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), mode) != 0) {
    return fail_errno("cannot listen on " + path, errno);
  }
  return fd;
}

}  // namespace

Result<Fd> listen_unix(const std::string& path, mode_t mode) {
  TRY(Fd fd, bind_unix(SOCK_STREAM, path, mode));
  if (::listen(fd.get(), 128) != 0) return fail_errno("cannot listen on " + path, errno);
  return fd;
}

Result<Fd> bind_unix_datagram(const std::string& path, mode_t mode) {
  TRY(Fd fd, bind_unix(SOCK_DGRAM, path, mode));
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    return fail_errno("cannot listen on " + path, errno);
  }
  return fd;
}

Result<Fd> connect_unix(const std::string& path) {
  TRY(const sockaddr_un address, address_of(path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot create a unix socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    auto error = fail_errno("cannot connect to " + path, errno);
    error.error().kind = ErrorKind::unreachable;
    return error;
  }
  return fd;
}

Result<std::pair<Fd, Fd>> unix_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return fail_errno("cannot create a socket pair", errno);
  }
  return std::pair(Fd(fds[0]), Fd(fds[1]));
}

Result<PeerCredentials> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return fail_errno("cannot read peer credentials", errno);
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

Result<IoResult> send_some(int fd, std::string_view bytes, std::span<const int> fds) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFdsPerReceive)];
  if (!fds.empty()) {
    if (fds.size() > kMaxFdsPerReceive) return fail("too many descriptors in one message");
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return IoResult{static_cast<std::size_t>(sent)};
  if (errno == EAGAIN || errno == EINTR) return IoResult{.would_block = true};
  return fail_errno("cannot send", errno);
}

Result<IoResult> receive_some(int fd, std::string& bytes, std::vector<Fd>& fds) {
  char buffer[65536];
  iovec part{buffer, sizeof buffer};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFdsPerReceive)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return IoResult{.would_block = true};
    return fail_errno("cannot receive", errno);
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int received = -1;
      std::memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
      fds.emplace_back(received);
    }
  }
  if (message.msg_flags & MSG_CTRUNC) return fail("descriptors were lost in transit (out of descriptors?)");
  if (got == 0) return IoResult{.closed = true};
  bytes.append(buffer, static_cast<std::size_t>(got));
  return IoResult{static_cast<std::size_t>(got)};
}

}  // namespace fleet::os
