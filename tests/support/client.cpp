#include "support/client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace fleet::test {
namespace {

std::unexpected<Failure> failed(Cause cause, std::string text) {
  return std::unexpected(Failure{cause, std::move(text)});
}
std::unexpected<Failure> failed_errno(Cause cause, const std::string& what) {
  return failed(cause, what + ": " + std::strerror(errno));
}

bool same(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

SSL_CTX* client_context() {
  static SSL_CTX* const context = [] {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2)
    auto* made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(made, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_mode(made, SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return made;
  }();
  return context;
}

std::uint16_t own_port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(storage).sin6_port);
  return 0;
}

bool wait_for(int fd, short events, milliseconds limit) {
  pollfd wait{fd, events, 0};
  int result;
  do result = ::poll(&wait, 1, static_cast<int>(limit.count()));
  while (result < 0 && errno == EINTR);
  return result > 0;
}

socklen_t fill_address(const Peer& peer, sockaddr_storage& storage) {
  if (!peer.unix_path.empty()) {
    auto& address = reinterpret_cast<sockaddr_un&>(storage);
    if (peer.unix_path.size() >= sizeof address.sun_path) return 0;
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, peer.unix_path.c_str());
    return sizeof address;
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  if (::inet_pton(AF_INET, peer.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(peer.port);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET6, peer.address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(peer.port);
    return sizeof v6;
  }
  return 0;
}

}  // namespace

std::string Peer::authority() const {
  if (!server_name.empty()) return server_name;
  if (!unix_path.empty()) return "localhost";
  return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" + std::to_string(port);
}

Expected<Peer> parse_url(std::string_view url, std::string_view connect_to) {
  Peer peer;
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return failed(Cause::malformed, "no scheme: " + std::string(url));
  const auto scheme = url.substr(0, scheme_end);
  if (scheme != "http" && scheme != "https") return failed(Cause::malformed, "not http: " + std::string(url));
  peer.tls = scheme == "https";
  const auto authority = url.substr(scheme_end + 3, url.find('/', scheme_end + 3) - scheme_end - 3);
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  auto host = has_port ? authority.substr(0, colon) : authority;
  peer.port = peer.tls ? 443 : 80;
  if (has_port) std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), peer.port);
  peer.server_name = authority;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  peer.address = !connect_to.empty() ? std::string(connect_to) : host == "localhost" ? "127.0.0.1" : std::string(host);
  return peer;
}

std::string_view Response::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same(key, name)) return value;
  }
  return {};
}

struct Connection::State {
  int fd = -1;
  SSL* ssl = nullptr;
  milliseconds timeout{0};
  std::string buffer;

  ~State() {
    if (ssl != nullptr) {
      SSL_shutdown(ssl);
      SSL_free(ssl);
    }
    if (fd >= 0) ::close(fd);
  }

  std::string_view agreed() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  // 0 at the end of the stream, -1 when broken, -2 after the timeout.
  int read(char* to, int size) const {
    for (;;) {
      if (ssl == nullptr || SSL_pending(ssl) == 0) {
        if (!wait_for(fd, POLLIN, timeout)) return -2;
      }
      if (ssl == nullptr) {
        const auto got = ::recv(fd, to, static_cast<std::size_t>(size), 0);
        if (got < 0 && errno == EINTR) continue;
        return got < 0 ? -1 : static_cast<int>(got);
      }
      const int got = SSL_read(ssl, to, size);
      if (got > 0) return got;
      return SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }
  }

  Expected<> fill(Cause at_end) {
    char block[32 * 1024];
    const int got = read(block, sizeof block);
    if (got == -2) return failed(Cause::timeout, "silence for " + std::to_string(timeout.count()) + " ms");
    if (got <= 0) return failed(at_end, got == 0 ? "closed" : "reset");
    buffer.append(block, static_cast<std::size_t>(got));
    return {};
  }

  Expected<std::string> line() {
    for (;;) {
      if (const auto end = buffer.find("\r\n"); end != std::string::npos) {
        auto text = buffer.substr(0, end);
        buffer.erase(0, end + 2);
        return text;
      }
      if (auto more = fill(Cause::cut); !more) return std::unexpected(more.error());
    }
  }

  Expected<> take(std::uint64_t count, const Sink& sink) {
    while (count > 0) {
      if (buffer.empty()) {
        if (auto more = fill(Cause::cut); !more) return more;
      }
      const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer.size()));
      sink(std::string_view(buffer).substr(0, now));
      buffer.erase(0, now);
      count -= now;
    }
    return {};
  }

  Expected<> take_chunks(const Sink& sink) {
    for (;;) {
      auto head = line();
      if (!head) return std::unexpected(head.error());
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(head->data(), head->data() + head->size(), size, 16);
      if (error != std::errc{}) return failed(Cause::malformed, "chunk size " + *head);
      if (size == 0) break;
      if (auto taken = take(size, sink); !taken) return taken;
      if (auto tail = line(); !tail) return std::unexpected(tail.error());
    }
    for (;;) {
      auto trailer = line();
      if (!trailer) return std::unexpected(trailer.error());
      if (trailer->empty()) return {};
    }
  }

  Expected<> take_rest(const Sink& sink) {
    for (;;) {
      sink(buffer);
      buffer.clear();
      char block[32 * 1024];
      const int got = read(block, sizeof block);
      if (got == 0) return {};
      if (got < 0) return failed(got == -2 ? Cause::timeout : Cause::cut, "no clean end");
      buffer.assign(block, static_cast<std::size_t>(got));
    }
  }
};

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;
int Connection::socket() const { return state_->fd; }
std::uint16_t Connection::own_port() const { return own_port_of(state_->fd); }

Expected<Connection> Connection::open(const Peer& peer) {
  auto* context = client_context();
  auto state = std::make_unique<State>();
  state->timeout = peer.timeout;
  sockaddr_storage storage{};
  const auto length = fill_address(peer, storage);
  if (length == 0) return failed(Cause::connect, "not an address: " + peer.address + peer.unix_path);
  state->fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (state->fd < 0) return failed_errno(Cause::connect, "socket");
  const timeval limit{peer.timeout.count() / 1000, (peer.timeout.count() % 1000) * 1000};
  ::setsockopt(state->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(state->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int on = 1;
  if (peer.unix_path.empty()) ::setsockopt(state->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(state->fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return failed_errno(Cause::connect, "connect");
  }
  if (peer.tls) {
    state->ssl = SSL_new(context);
    SSL_set_fd(state->ssl, state->fd);
    const auto host = peer.authority().substr(0, peer.authority().rfind(':'));
    if (!host.empty() && host.find_first_not_of("0123456789.[]:") != std::string::npos) {
      SSL_set_tlsext_host_name(state->ssl, host.c_str());
    }
    if (!peer.protocol.empty()) {
      const auto wanted = static_cast<char>(peer.protocol.size()) + peer.protocol;
      SSL_set_alpn_protos(state->ssl, reinterpret_cast<const unsigned char*>(wanted.data()),
                          static_cast<unsigned>(wanted.size()));
    }
    if (SSL_connect(state->ssl) != 1) {
      SSL_free(std::exchange(state->ssl, nullptr));
      return std::unexpected(Failure{Cause::tls, "handshake failed", own_port_of(state->fd)});
    }
    if (state->agreed() != peer.protocol) return failed(Cause::tls, "does not speak " + peer.protocol);
  }
  return Connection(std::move(state));
}

Expected<> Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    long sent;
    if (state_->ssl != nullptr) {
      sent = SSL_write(state_->ssl, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)));
    } else {
      sent = ::send(state_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    if (sent < 0 && state_->ssl == nullptr && errno == EINTR) continue;
    if (sent <= 0) return failed_errno(Cause::send, "write");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

void Connection::never_wait() { ::fcntl(state_->fd, F_SETFL, ::fcntl(state_->fd, F_GETFL) | O_NONBLOCK); }

Expected<std::string> Connection::take_some() {
  std::string all = std::exchange(state_->buffer, {});
  char block[32 * 1024];
  ERR_clear_error();  // SSL_get_error looks there
  for (;;) {
    long got;
    bool nothing_now;
    if (state_->ssl != nullptr) {
      got = SSL_read(state_->ssl, block, sizeof block);
      const int error = SSL_get_error(state_->ssl, static_cast<int>(got));
      nothing_now = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
      if (error == SSL_ERROR_ZERO_RETURN) got = 0;
    } else {
      got = ::recv(state_->fd, block, sizeof block, 0);
      nothing_now = got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (got > 0) all.append(block, static_cast<std::size_t>(got));
    else if (nothing_now || !all.empty()) return all;  // an end is met again
    else return failed(Cause::no_answer, got == 0 ? "closed" : "reset");
  }
}

Expected<std::size_t> Connection::give_some(std::string_view bytes) {
  std::size_t given = 0;
  ERR_clear_error();
  while (given < bytes.size()) {
    const auto left = bytes.substr(given);
    long sent;
    bool full;
    if (state_->ssl != nullptr) {
      sent = SSL_write(state_->ssl, left.data(), static_cast<int>(std::min<std::size_t>(left.size(), 1 << 20)));
      const int error = SSL_get_error(state_->ssl, static_cast<int>(sent));
      full = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    } else {
      sent = ::send(state_->fd, left.data(), left.size(), MSG_NOSIGNAL);
      full = sent < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (sent > 0) given += static_cast<std::size_t>(sent);
    else if (full) return given;
    else return failed_errno(Cause::send, "write");
  }
  return given;
}

Expected<Response> Connection::receive_head() {
  if (state_->buffer.empty()) {
    if (auto first = state_->fill(Cause::no_answer); !first) return std::unexpected(first.error());
  }
  Response response;
  auto status = state_->line();
  if (!status) return std::unexpected(status.error());
  if (!status->starts_with("HTTP/1.") || status->size() < 12) return failed(Cause::malformed, *status);
  std::from_chars(status->data() + 9, status->data() + 12, response.status);
  for (;;) {
    auto line = state_->line();
    if (!line) return std::unexpected(line.error());
    if (line->empty()) break;
    const auto colon = line->find(':');
    if (colon == std::string::npos) return failed(Cause::malformed, *line);
    const auto value = line->find_first_not_of(' ', colon + 1);
    response.headers.emplace_back(line->substr(0, colon), value == std::string::npos ? "" : line->substr(value));
  }
  response.keeps = !status->starts_with("HTTP/1.0") && !same(response.header("Connection"), "close");
  return response;
}

Expected<Response> Connection::receive(std::string_view method, const Sink& sink) {
  Response response;
  do {
    auto head = receive_head();
    if (!head) return head;
    response = std::move(*head);
  } while (response.status / 100 == 1);

  const Sink collect = [&](std::string_view piece) {
    response.body_bytes += piece.size();
    if (sink) {
      sink(piece);
    } else {
      response.body += piece;
    }
  };
  if (method == "HEAD" || response.status == 204 || response.status == 304) return response;
  Expected<> body;
  if (same(response.header("Transfer-Encoding"), "chunked")) {
    body = state_->take_chunks(collect);
  } else if (const auto length = response.header("Content-Length"); !length.empty()) {
    std::uint64_t bytes = 0;
    std::from_chars(length.data(), length.data() + length.size(), bytes);
    body = state_->take(bytes, collect);
  } else {
    response.keeps = false;
    body = state_->take_rest(collect);
  }
  if (!body) return std::unexpected(body.error());
  return response;
}

std::string Connection::certificate_name() const {
  if (state_->ssl == nullptr) return {};
  X509* certificate = SSL_get1_peer_certificate(state_->ssl);
  if (certificate == nullptr) return {};
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

std::string request_text(const Peer& peer, std::string_view method, std::string_view target,
                         const std::vector<std::string>& headers, std::string_view body) {
  std::string text(method);
  text.append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(peer.authority()).append("\r\n");
  for (const auto& line : headers) text.append(line).append("\r\n");
  if (!body.empty() || method == "POST" || method == "PUT") {
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  return text.append("\r\n").append(body);
}

Expected<Response> fetch(const Peer& peer, std::string_view method, std::string_view target,
                         const std::vector<std::string>& headers, std::string_view body) {
  auto connection = Connection::open(peer);
  if (!connection) return std::unexpected(connection.error());
  auto sent = connection->send(request_text(peer, method, target, headers, body));
  if (!sent) return std::unexpected(sent.error());
  return connection->receive(method);
}

}  // namespace fleet::test
