#include "clients/door.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "encryption/tls_stream.hpp"

namespace fleet::proxy {
namespace {

constexpr unsigned kAcceptsPerEvent = 64;  // then others get a turn
constexpr unsigned kPartToEvict = 64;      // of all connections at once, so that looking for them is rare

std::string text_of(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, text, sizeof text);
  } else if (peer.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
      ::inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &address, text, sizeof text);
    }
  }
  return text;
}

// What connections inherit from their listener. On this machine nothing is congested, and what paces by timers costs
// more than it can win; refused where unknown.
void tune(int listener, const Endpoint& endpoint) {
  const int on = 1;
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (endpoint.address == "::1" || endpoint.address.starts_with("127.")) {
    ::setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  }
}

bool somebody_waits(int listener) {
  pollfd waiting{listener, POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace

class Door::Knocker final : ReadinessListener {
 public:
  Knocker(Door& door, os::Fd fd, wire::ListenerInfo its_info)
      : info(std::move(its_info)), door_(door), fd_(std::move(fd)) {}

  const wire::ListenerInfo info;
  int fd() const { return socket_ ? socket_->fd() : fd_.get(); }
  void listen() {
    if (socket_)
      socket_->mute(false);
    else
      socket_.reset(new Socket(door_.proxy_.loop, std::move(fd_), Socket::Kind::listener));
    socket_->set_listener(this);
  }
  void pause() { socket_->mute(true); }
  void leave() {
    if (socket_) fd_ = socket_->release();
    socket_.reset();
  }
  void on_ready() override { door_.accept_from(*this); }

 private:
  Door& door_;
  os::Fd fd_;         // while nobody listens
  SocketPtr socket_;  // while somebody does
};

Door::Door(Proxy& proxy, std::function<void()> on_emptied) : proxy_(proxy), on_emptied_(std::move(on_emptied)) {}
Door::~Door() = default;

void Door::set_listeners(const std::vector<wire::ListenerInfo>& infos, std::vector<os::Fd> fds) {
  knockers_.clear();
  infos_ = infos;
  if (!spare_) spare_.reset(::eventfd(0, EFD_CLOEXEC));
  for (std::size_t i = 0; i < infos.size(); ++i) {
    ::fcntl(fds[i].get(), F_SETFL, ::fcntl(fds[i].get(), F_GETFL) | O_NONBLOCK);
    tune(fds[i].get(), infos[i].endpoint);
    knockers_.push_back(std::make_unique<Knocker>(*this, std::move(fds[i]), infos[i]));
  }
  if (accepting_) start_accepting();
}

std::vector<int> Door::listener_fds() const {
  std::vector<int> fds;
  for (const auto& knocker : knockers_) fds.push_back(knocker->fd());
  return fds;
}

void Door::start_accepting() {
  accepting_ = true;
  for (const auto& knocker : knockers_) knocker->listen();
}

void Door::stop_accepting() {
  accepting_ = false;
  for (const auto& knocker : knockers_) knocker->leave();
}

void Door::accept_from(Knocker& knocker) {
  for (unsigned i = 0; i < kAcceptsPerEvent; ++i) {
    if (!accepting_) return;
    if (open() >= proxy_.limits.max_connections) {
      if (!somebody_waits(knocker.fd())) return;
      if (!make_room()) return pause();
    }
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    os::Fd fd(::accept4(knocker.fd(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      admit_client(std::move(fd), peer, knocker.info);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == ENOMEM || errno == ENOBUFS) return pause();  // whoever waits, waits for the next tick
    // The kernel wants a descriptor before it looks whether anybody is there.
    if ((errno != EMFILE && errno != ENFILE) || !somebody_waits(knocker.fd())) return;
    if (!make_room()) return shed(knocker.fd());
  }
}

// The kernel's queue holds the others; a session's end resumes, or a tick.
void Door::pause() {
  paused_ = true;
  for (const auto& knocker : knockers_) knocker->pause();
}

// Out of descriptors: one connection is closed at once, rather than left waiting for one that may never come.
void Door::shed(int listener) {
  ++turned_away_;
  if (const auto now = Clock::now(); now - shed_logged_ >= std::chrono::seconds(1)) {
    shed_logged_ = now;
    spdlog::warn("out of descriptors, connections turned away connections={} turned_away={}", open(), turned_away_);
  }
  spare_.reset();
  os::Fd turned_away(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  turned_away.reset();
  spare_.reset(::eventfd(0, EFD_CLOEXEC));
}

void Door::admit_client(os::Fd fd, const sockaddr_storage& peer, const wire::ListenerInfo& info) {
  ++accepted_;
  const bool https = info.scheme == wire::Scheme::https;
  if (https && !proxy_.tls) return;
  SocketPtr socket(new Socket(proxy_.loop, std::move(fd)));
  std::unique_ptr<Stream> stream;
  if (https)
    stream = std::make_unique<TlsStream>(std::move(socket), proxy_.tls);
  else
    stream = std::make_unique<PlainStream>(std::move(socket));
  admit(std::move(stream), text_of(peer), https, false, proxy_.edge.begins_with_header(info.endpoint));
}

void Door::admit(std::unique_ptr<Stream> stream, std::string address, bool https, bool internal, bool with_header) {
  sessions_.push_back(
      std::make_unique<Session>(proxy_, std::move(stream), std::move(address), https, internal, with_header));
  const auto place = std::prev(sessions_.end());
  spawn((*place)->run(), [this, place](std::exception_ptr error) {
    if (error) spdlog::error("connection given up: out of memory or a fault of ours");
    sessions_.erase(place);
    resume_if_paused();
    if (sessions_.empty()) on_emptied_();
  });
}

void Door::resume_if_paused() {
  if (!paused_ || !accepting_) return;
  paused_ = false;
  for (const auto& knocker : knockers_) knocker->listen();
}

// Some that were busy when the door was closed may be idle now: whoever waits is told of again.
void Door::on_tick() { resume_if_paused(); }

// Closes some of the idle connections. True when that has left room at once.
bool Door::make_room() {
  std::vector<Session*> idle;
  std::vector<Idler> leavers;
  for (const auto& session : sessions_) {
    const auto& peer = session->peer();
    if (peer.idle_since == Clock::time_point::max() || !peer.place) continue;
    leavers.push_back({idle.size(), peer.place->of_same_guest(), peer.idle_since});
    idle.push_back(session.get());
  }
  const auto before = open();
  choose_leavers(leavers, std::max<std::size_t>(1, before / kPartToEvict));
  proxy_.edge.evicted += leavers.size();
  for (const auto& leaver : leavers) idle[leaver.index]->cut();
  return open() < before;
}

std::uint32_t Door::busy() const {
  return static_cast<std::uint32_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [](const auto& session) { return session->in_exchange(); }));
}

void Door::wake_all() {
  std::vector<Session*> all;  // one that wakes may leave sessions_
  for (const auto& session : sessions_) all.push_back(session.get());
  for (auto* session : all) session->wake();
}

void Door::cut_all() {
  std::vector<Session*> all;  // a cut session may leave sessions_ at once
  for (const auto& session : sessions_) all.push_back(session.get());
  for (auto* session : all) session->cut();
}

}  // namespace fleet::proxy
