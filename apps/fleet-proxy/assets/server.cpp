#include "assets/server.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "assets/job.hpp"
#include "os/unix_socket.hpp"

namespace fleet::proxy::assets {
namespace {

constexpr int kQueue = 1 << 20;  // bytes of jobs that the child has not taken yet; the kernel may allow less

bool send_job(int to, std::string& job, int passed) {
  iovec bytes{job.data(), job.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes, message.msg_iovlen = 1;
  message.msg_control = control.data(), message.msg_controllen = control.size();
  auto* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof passed);
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  return ::sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

}  // namespace

Result<Server> Server::begin(const std::string& releases) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return fail_errno("cannot make a socket pair", errno);
  }
  os::Fd mine(ends[0]), its(ends[1]);
  ::setsockopt(mine.get(), SOL_SOCKET, SO_SNDBUF, &kQueue, sizeof kQueue);
  std::signal(SIGCHLD, SIG_IGN);
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("cannot fork", errno);
  if (child == 0) {
    mine.reset();
    serve(std::move(its), releases);
  }
  return Server(std::move(mine));
}

std::optional<os::Fd> Server::ask(std::vector<Place> places, std::string_view head) {
  if (!jobs_) return std::nullopt;
  auto job = wire::encode(Job{std::move(places), std::string(head)});
  if (job.size() > kMaxJob) return std::nullopt;
  auto pair = os::unix_pair();
  if (!pair) return std::nullopt;
  if (send_job(jobs_.get(), job, pair->second.get())) return std::move(pair->first);
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
    spdlog::error("the asset server has ended: this worker gives no more files of former releases");
    jobs_.reset();
  }
  return std::nullopt;
}

}  // namespace fleet::proxy::assets
