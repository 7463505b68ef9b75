#include "origin.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/time.h>

#include <memory>

namespace fleet::test {

bool OriginConnection::fill() {
  char part[65536];
  const ssize_t got = ::recv(fd_.get(), part, sizeof part, 0);
  if (got <= 0) return false;
  in_.append(part, static_cast<std::size_t>(got));
  return true;
}

bool OriginConnection::read_head(std::string& head) {
  std::size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return false;
  }
  head = in_.substr(0, end + 2);
  in_.erase(0, end + 4);
  return true;
}

bool OriginConnection::read_request(Request& request) { return read_head(request.head) && read_body(request); }

bool OriginConnection::read_line(std::string& line) {
  std::size_t end = 0;
  while ((end = in_.find("\r\n")) == std::string::npos) {
    if (!fill()) return false;
  }
  line = in_.substr(0, end);
  in_.erase(0, end + 2);
  return true;
}

bool OriginConnection::read_bytes(std::size_t size, std::string& into) {
  while (in_.size() < size) {
    if (!fill()) return false;
  }
  into += in_.substr(0, size);
  in_.erase(0, size);
  return true;
}

bool OriginConnection::read_body(Request& request) {
  request.body.clear(), request.trailers.clear();
  if (const auto at = request.head.find("\r\nContent-Length: "); at != std::string::npos) {
    return read_bytes(std::stoull(request.head.substr(at + 18)), request.body);
  }
  if (!request.has("\r\nTransfer-Encoding: chunked\r\n")) return true;
  for (std::string line;;) {
    if (!read_line(line)) return false;
    const auto size = std::stoull(line, nullptr, 16);
    if (size == 0) break;
    if (!read_bytes(size, request.body) || !read_line(line)) return false;
  }
  for (std::string line; read_line(line);) {
    if (line.empty()) return true;
    request.trailers += line + "\r\n";
  }
  return false;
}

std::string OriginConnection::read_some() {
  if (in_.empty()) fill();
  return std::exchange(in_, {});
}

bool OriginConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool OriginConnection::answer(const std::string& body, const std::string& extra, int status) {
  return send("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
              extra + "\r\n" + body);
}

void OriginConnection::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.reset();
}

namespace {

os::Fd bound(const std::string& socket) {
  os::Fd fd(::socket(socket.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.empty()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  } else {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof address.sun_path - 1);
    ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  return fd;
}

}  // namespace

Origin::Origin(Handler handler, const std::string& socket, int backlog)
    : handler_(std::move(handler)), listener_(bound(socket)) {
  ::listen(listener_.get(), backlog);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  if (socket.empty()) port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { run(); });
}

void Origin::run() {
  for (;;) {
    os::Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    const timeval limit{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    ++connections_;
    const std::lock_guard lock(mutex_);
    auto connection = std::make_shared<OriginConnection>(std::move(fd));
    open_.push_back(connection);
    threads_.emplace_back([this, connection]() mutable {
      handler_(*connection);
      const std::lock_guard guard(mutex_);
      open_.remove(connection);
      connection.reset();
    });
  }
}

void Origin::stop_listening() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  listener_.reset();
}

Origin::~Origin() {
  if (listener_) stop_listening();
  {
    const std::lock_guard lock(mutex_);
    for (const auto& connection : open_) ::shutdown(connection->fd(), SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

Origin::Handler always(std::string body) {
  return [body = std::move(body)](OriginConnection& connection) {
    OriginConnection::Request request;
    while (connection.read_request(request) && connection.answer(body)) {
    }
  };
}

}  // namespace fleet::test
