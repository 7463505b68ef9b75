#include "api/listen.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "api/gate.hpp"
#include "os/unix_socket.hpp"

namespace fleet::api {
namespace {

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

Result<socklen_t> address_of(const Endpoint& endpoint, Address& address) {
  address = {};
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(endpoint.port);
    return socklen_t{sizeof address.v4};
  }
  if (::inet_pton(AF_INET6, endpoint.address.c_str(), &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(endpoint.port);
    return socklen_t{sizeof address.v6};
  }
  return fail(ErrorKind::usage, "not an IP address: " + endpoint.address);
}

// All groups of the peer (SO_PEERGROUPS, unix(7)): SO_PEERCRED has only the first.
std::vector<gid_t> peer_groups(int fd, gid_t first) {
  std::vector<gid_t> groups(64);
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int result = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  if (result != 0 && errno == ERANGE) {
    groups.resize(size / sizeof(gid_t));
    result = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  }
  groups.resize(result == 0 ? size / sizeof(gid_t) : 0);
  groups.push_back(first);
  return groups;
}

}  // namespace

Result<os::Fd> listen_tcp(const Endpoint& endpoint) {
  Address address;
  TRY(const socklen_t size, address_of(endpoint, address));
  os::Fd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const std::string what = "cannot listen on " + to_string(endpoint);
  if (!fd) return fail_errno(what, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.any.sa_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), &address.any, size) != 0 || ::listen(fd.get(), 64) != 0) return fail_errno(what, errno);
  return fd;
}

Result<Endpoint> bound_endpoint(int fd) {
  Address address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, &address.any, &size) != 0) return fail_errno("cannot read a socket's address", errno);
  char text[INET6_ADDRSTRLEN] = "";
  Endpoint endpoint;
  if (address.any.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text);
    endpoint.port = ntohs(address.v6.sin6_port);
  } else {
    ::inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
    endpoint.port = ntohs(address.v4.sin_port);
  }
  endpoint.address = text;
  return endpoint;
}

bool is_loopback(const Endpoint& endpoint) { return endpoint.address == "::1" || endpoint.address.starts_with("127."); }

Peer unix_peer(int fd, gid_t group) {
  Peer peer;
  const auto credentials = os::peer_credentials(fd);
  if (!credentials) {
    peer.who = "unknown";
    return peer;
  }
  peer.who = "uid " + std::to_string(credentials->uid);
  const auto groups = peer_groups(fd, credentials->gid);
  peer.operator_rights = has_operator_rights(credentials->uid, groups, ::geteuid(), group);
  return peer;
}

}  // namespace fleet::api
