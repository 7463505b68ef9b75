#include "os/listener_owner.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "os/fd.hpp"

namespace fleet::os {
namespace {

struct Question {
  nlmsghdr head;
  inet_diag_req_v2 what;
};

Question about(std::uint8_t family, std::uint16_t port) {
  Question question{};
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.what.sdiag_family = family;
  question.what.sdiag_protocol = IPPROTO_TCP;
  question.what.idiag_states = 1u << TCP_LISTEN;
  question.what.id.idiag_sport = htons(port);
  return question;
}

// 127.0.0.1, or all addresses.
bool takes_loopback(const inet_diag_msg& socket) {
  const auto* words = socket.id.idiag_src;
  if (socket.idiag_family == AF_INET) return words[0] == 0 || words[0] == htonl(INADDR_LOOPBACK);
  const bool is_any = words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == 0;
  const bool is_mapped = words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff) && words[3] == htonl(INADDR_LOOPBACK);
  return is_any || is_mapped;
}

// Whether there is more to come.
bool read_part(const char* bytes, std::size_t size, std::uint16_t port, std::vector<uid_t>& owners) {
  for (std::size_t at = 0; at + sizeof(nlmsghdr) <= size;) {
    nlmsghdr head{};
    std::memcpy(&head, bytes + at, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > size - at) return false;
    if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) return false;
    inet_diag_msg socket{};
    if (head.nlmsg_len < sizeof head + sizeof socket) return false;
    std::memcpy(&socket, bytes + at + NLMSG_HDRLEN, sizeof socket);
    if (socket.id.idiag_sport == htons(port) && takes_loopback(socket)) owners.push_back(socket.idiag_uid);
    at += NLMSG_ALIGN(head.nlmsg_len);
  }
  return true;
}

}  // namespace

std::vector<uid_t> listener_owners(std::uint16_t port) {
  std::vector<uid_t> owners;
  const Fd kernel(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  for (const auto family : {AF_INET, AF_INET6}) {
    const auto question = about(static_cast<std::uint8_t>(family), port);
    if (::send(kernel.get(), &question, sizeof question, 0) != static_cast<ssize_t>(sizeof question)) return owners;
    std::array<char, 16 * 1024> answer;
    for (bool more = true; more;) {
      const auto got = ::recv(kernel.get(), answer.data(), answer.size(), 0);
      more = got > 0 && read_part(answer.data(), static_cast<std::size_t>(got), port, owners);
    }
  }
  return owners;
}

}  // namespace fleet::os
