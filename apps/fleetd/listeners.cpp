#include "listeners.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fleet {
namespace {

constexpr int kBacklog = 4096;  // cut down to net.core.somaxconn

std::vector<wire::ListenerInfo> wanted(const ProxyConfig& config) {
  std::vector<wire::ListenerInfo> all;
  for (const auto& endpoint : config.http) all.push_back({wire::Scheme::http, endpoint});
  for (const auto& endpoint : config.https) all.push_back({wire::Scheme::https, endpoint});
  return all;
}

Result<os::Fd> listen_on(const Endpoint& endpoint) {
  const auto what = "cannot bind " + to_string(endpoint);
  sockaddr_storage storage{};
  socklen_t length = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    length = sizeof *v4;
  } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    length = sizeof *v6;
  } else {
    return fail(ErrorKind::usage, what + ": not an IP address");
  }
  os::Fd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(what, errno);
  const int on = 1;
  for (const int option : {SO_REUSEADDR, SO_REUSEPORT}) ::setsockopt(fd.get(), SOL_SOCKET, option, &on, sizeof on);
  if (storage.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    auto failed = fail_errno(what, error);
    if (error == EACCES) failed.error().text += " (needs root or CAP_NET_BIND_SERVICE)";
    if (error == EADDRINUSE) failed.error().text += " (another server listens there)";
    return failed;
  }
  return fd;
}

}  // namespace

// "0-https-[::]:443": systemd's names may hold anything but ':', which stands as '_'.
std::string store_name(std::uint32_t slot, const wire::ListenerInfo& info) {
  auto text = std::to_string(slot) + "-" + std::string(name(info.scheme)) + "-" + to_string(info.endpoint);
  std::ranges::replace(text, ':', '_');
  return text;
}

std::optional<std::pair<std::uint32_t, wire::ListenerInfo>> parse_store_name(std::string text) {
  std::ranges::replace(text, '_', ':');
  const auto dash = text.find('-'), second = text.find('-', dash + 1);
  if (dash == std::string::npos || second == std::string::npos) return std::nullopt;
  std::uint32_t slot = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dash, slot);
  if (error != std::errc() || end != text.data() + dash) return std::nullopt;
  const auto scheme = from_name<wire::Scheme>(text.substr(dash + 1, second - dash - 1));
  const auto endpoint = parse_endpoint(text.substr(second + 1));
  if (!scheme || !endpoint) return std::nullopt;
  return std::pair(slot, wire::ListenerInfo{*scheme, *endpoint});
}

void Listeners::adopt(std::uint32_t slot, wire::ListenerInfo info, os::Fd fd) {
  auto& mine = slots_[slot];
  const bool there = std::ranges::any_of(mine, [&](const Listener& l) { return l.info == info; });
  if (!there) mine.push_back({std::move(info), std::move(fd)});
}

Result<> Listeners::prepare(const ProxyConfig& config) {
  const auto infos = wanted(config);
  std::vector<std::pair<std::uint32_t, Listener>> made;
  for (std::uint32_t slot = 0; slot < config.workers; ++slot) {
    for (const auto& info : infos) {
      const auto& mine = of(slot);
      if (std::ranges::any_of(mine, [&](const Listener& l) { return l.info == info; })) continue;
      TRY(os::Fd fd, listen_on(info.endpoint));
      made.emplace_back(slot, Listener{info, std::move(fd)});
    }
  }
  for (auto& [slot, listener] : made) slots_[slot].push_back(std::move(listener));
  return {};
}

void Listeners::drop_others(const ProxyConfig& config) {
  const auto infos = wanted(config);
  for (auto& [slot, mine] : slots_) {
    std::erase_if(mine, [&, number = slot](const Listener& l) {
      if (number < config.workers && std::ranges::find(infos, l.info) != infos.end()) return false;
      ::sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + store_name(number, l.info)).c_str());
      return true;
    });
  }
  std::erase_if(slots_, [](const auto& slot) { return slot.second.empty(); });
}

const std::vector<Listener>& Listeners::of(std::uint32_t slot) const {
  static const std::vector<Listener> none;
  const auto found = slots_.find(slot);
  return found == slots_.end() ? none : found->second;
}

std::vector<std::pair<std::string, int>> Listeners::by_name() const {
  std::vector<std::pair<std::string, int>> all;
  for (const auto& [slot, mine] : slots_) {
    for (const auto& listener : mine) all.emplace_back(store_name(slot, listener.info), listener.fd.get());
  }
  return all;
}

void Listeners::keep_with_systemd() const {
  for (const auto& [name, fd] : by_name()) {
    ::sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDNAME=" + name).c_str(), &fd, 1);
  }
}

}  // namespace fleet
