#include "api/server.hpp"

#include <openssl/ssl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <set>

#include "api/connection.hpp"
#include "api/listen.hpp"
#include "os/unix_socket.hpp"

namespace fleet::api {
namespace {

using TlsContext = std::shared_ptr<net::asio::ssl::context>;
using Transport = Peer::Transport;
namespace ssl = net::asio::ssl;

constexpr std::size_t kMinToken = 16;

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail_errno("cannot read the API token: " + path, errno);
  std::string token;
  file >> token;
  if (token.size() < kMinToken) {
    return fail(ErrorKind::usage, "API token: " + path + ": shorter than " + std::to_string(kMinToken) + " characters");
  }
  return token;
}

Result<TlsContext> load_tls(const ApiConfig& config) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  ::SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  context->use_certificate_chain_file(config.certificate, error);
  if (error) return fail(ErrorKind::usage, "API certificate: " + config.certificate + ": " + error.message());
  context->use_private_key_file(config.key, ssl::context::pem, error);
  if (error) return fail(ErrorKind::usage, "API key: " + config.key + ": " + error.message());
  return context;
}

bool has_come(int listener) {
  pollfd peer{listener, POLLIN, 0};
  return ::poll(&peer, 1, 0) > 0;
}

std::string machine_name() {
  char name[256] = "";
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  State(net::asio::io_context& context, Backend& fleetd, Limits given) : io(context), backend(fleetd), limits(given) {}

  // What a listener gives to each connection that it accepts.
  struct Terms {
    Transport transport = Transport::unix_socket;
    std::shared_ptr<const Policy> policy;
    TlsContext tls;
    gid_t group = 0;  // of the unix socket
  };

  static Result<Terms> terms_of(const ApiConfig& config) {
    Policy policy;
    policy.own_name = machine_name();
    if (!config.token_file.empty()) {
      TRY(const std::string token, read_token(config.token_file));
      policy.token_digest = sha256(token);
    }
    Terms terms;
    terms.transport = config.certificate.empty() ? Transport::tcp : Transport::tls;
    terms.policy = std::make_shared<const Policy>(std::move(policy));
    if (!config.certificate.empty()) {
      TRY(terms.tls, load_tls(config));
    } else if (!is_loopback(*config.listen)) {
      return fail(ErrorKind::usage, "api.listen: " + to_string(*config.listen) +
                                        ": needs a certificate and a key (it is not a loopback address)");
    }
    return terms;
  }

  struct Listener {
    Listener(net::asio::io_context& io, os::Fd fd) : socket(io, fd.release()) {}
    net::asio::posix::basic_stream_descriptor<net::Executor> socket;
    Terms terms;
    std::size_t connections = 0;
    bool open = true, paused = false;
    void close() {
      open = false;
      boost::system::error_code ignored;
      socket.close(ignored);
    }
  };

  net::asio::io_context& io;
  Backend& backend;
  Limits limits;
  std::shared_ptr<Listener> unix_listener, tcp_listener;
  std::optional<Endpoint> tcp_wanted, tcp_bound;
  std::set<std::shared_ptr<Link>> links;
  os::Fd handed_down;  // of TCP
  os::Fd spare{::eventfd(0, EFD_CLOEXEC)};  // given up for one peer when there are no more: somebody must be able to ask

  void keep_spare() {
    if (!spare) spare.reset(::eventfd(0, EFD_CLOEXEC));
  }

  std::shared_ptr<Listener> listen(os::Fd fd, Terms terms) {
    auto listener = std::make_shared<Listener>(io, std::move(fd));
    listener->terms = std::move(terms);
    net::asio::co_spawn(io, accept_all(shared_from_this(), listener), [](std::exception_ptr) {});
    return listener;
  }

  static net::Task<> accept_all(std::shared_ptr<State> self, std::shared_ptr<Listener> listener) {
    while (listener->open && !listener->paused) {
      const int fd = ::accept4(listener->socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        self->begin(listener, os::Fd(fd));
        continue;
      }
      const bool starved = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
      // The kernel wants a descriptor before it looks whether anybody is there.
      const bool somebody_waits = starved && has_come(listener->socket.native_handle());
      if (somebody_waits && self->spare) {
        self->spare.reset();
      } else if (somebody_waits) {
        net::Timer pause(self->io, milliseconds(100));
        co_await pause.async_wait(net::use_result);
      } else {
        co_await listener->socket.async_wait(net::asio::posix::descriptor_base::wait_read, net::use_result);
      }
    }
  }

  template <class Each>
  void each_listener(Each each) {
    for (const auto& listener : {unix_listener, tcp_listener}) {
      if (listener) each(listener);
    }
  }

  void begin(const std::shared_ptr<Listener>& listener, os::Fd fd) {
    if (listener->connections >= limits.connections) {
      constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
          "Connection: close\r\n\r\n";
      if (!listener->terms.tls) ::send(fd.get(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      return;
    }
    Peer peer;
    peer.who = "anonymous";
    if (listener->terms.transport == Transport::unix_socket) peer = unix_peer(fd.get(), listener->terms.group);
    peer.transport = listener->terms.transport;
    const int family = peer.transport == Transport::unix_socket ? AF_UNIX : AF_INET;
    Socket socket(io, net::asio::generic::stream_protocol(family, 0), fd.release());
    auto link = std::make_shared<Link>(io, std::move(socket));
    links.insert(link);
    ++listener->connections;
    const Terms& terms = listener->terms;
    net::asio::co_spawn(io, serve(link, terms.tls, backend, terms.policy, std::move(peer), limits),
                        [self = shared_from_this(), listener, link](std::exception_ptr) {
                          link->disarm();
                          link->close();
                          self->links.erase(link);
                          self->keep_spare();
                          --listener->connections;
                        });
  }

  void close_tcp() {
    if (tcp_listener) tcp_listener->close();
    tcp_listener.reset();
    tcp_wanted.reset();
    tcp_bound.reset();
  }
};

Server::Server(net::asio::io_context& io, Backend& backend, Limits limits)
    : state_(std::make_shared<State>(io, backend, limits)) {}

Server::~Server() { close(); }

Result<> Server::open(const std::string& socket_path, os::Fd handed_down) {
  os::Fd fd = std::move(handed_down);
  struct stat info {};
  if (fd && ::stat(socket_path.c_str(), &info) != 0) fd.reset();
  if (!fd) {
    TRY(fd, os::listen_unix(socket_path, 0660));
  }
  if (::stat(socket_path.c_str(), &info) != 0) return fail_errno("cannot read the mode of " + socket_path, errno);
  State::Terms terms;
  terms.policy = std::make_shared<const Policy>();
  terms.group = info.st_gid;
  state_->unix_listener = state_->listen(std::move(fd), std::move(terms));
  return {};
}

Result<> Server::configure(const ApiConfig& config) {
  if (!config.listen) {
    state_->close_tcp();
    return {};
  }
  TRY(State::Terms terms, State::terms_of(config));
  if (state_->tcp_listener && state_->tcp_wanted == config.listen) {
    state_->tcp_listener->terms = std::move(terms);
    return {};
  }
  os::Fd fd = std::move(state_->handed_down);
  const auto former = fd ? bound_endpoint(fd.get()) : Result<Endpoint>(Endpoint());
  const bool wanted = former && former->address == config.listen->address &&
                      (config.listen->port == 0 || former->port == config.listen->port);
  if (!wanted) {
    TRY(fd, listen_tcp(*config.listen));
  }
  TRY(const Endpoint bound, bound_endpoint(fd.get()));
  state_->close_tcp();
  state_->tcp_listener = state_->listen(std::move(fd), std::move(terms));
  state_->tcp_wanted = config.listen;
  state_->tcp_bound = bound;
  spdlog::info("api listens address={} tls={} token={}", to_string(bound), !config.certificate.empty(),
               !config.token_file.empty());
  return {};
}

Result<> Server::check(const ApiConfig& config) {
  if (config.listen) TRYV(State::terms_of(config));
  return {};
}

void Server::hand_down(os::Fd tcp_listener) { state_->handed_down = std::move(tcp_listener); }

net::Task<> Server::pause(milliseconds at_most) {
  state_->each_listener([](const auto& listener) {
    listener->paused = true;
    listener->socket.cancel();
  });
  const auto until = std::chrono::steady_clock::now() + at_most;
  const auto waits_for = [](const auto& link) { return !link->streams; };
  do {
    net::Timer moment(state_->io, milliseconds(5));
    co_await moment.async_wait(net::use_result);
  } while (std::ranges::any_of(state_->links, waits_for) && std::chrono::steady_clock::now() < until);
}

void Server::resume() {
  state_->each_listener([this](const auto& listener) {
    if (!std::exchange(listener->paused, false)) return;
    net::asio::co_spawn(state_->io, State::accept_all(state_, listener), [](std::exception_ptr) {});
  });
}

int Server::unix_listener() const { return state_->unix_listener ? state_->unix_listener->socket.native_handle() : -1; }
int Server::tcp_listener() const { return state_->tcp_listener ? state_->tcp_listener->socket.native_handle() : -1; }

std::optional<Endpoint> Server::tcp() const { return state_->tcp_bound; }

void Server::close() {
  if (state_->unix_listener) state_->unix_listener->close();
  state_->unix_listener.reset();
  state_->close_tcp();
  for (const auto& link : state_->links) link->close();
}

}  // namespace fleet::api
