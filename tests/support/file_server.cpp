#include "support/file_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <vector>

#include "support/process.hpp"

namespace fleet::test {
namespace {

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

FileServer::FileServer(std::string directory)
    : directory_(std::move(directory)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("cannot serve files");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { accept_all(); });
}

FileServer::~FileServer() {
  over_ = true;
  release();
}

void FileServer::release() {
  held_ = false;
  held_.notify_all();
}

std::string FileServer::url(const std::string& name) const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/" + name;
}

void FileServer::accept_all() {
  std::vector<std::jthread> sessions;
  while (!over_) {
    pollfd wait{listener_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 20) <= 0) continue;
    const int socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) sessions.emplace_back([this, socket] { serve(socket); });
  }
}

void FileServer::serve(int socket) {
  const os::Fd owned(socket);
  std::string head;
  char block[4096];
  while (head.find("\r\n\r\n") == std::string::npos) {
    const auto got = ::recv(socket, block, sizeof block, 0);
    if (got <= 0) return;
    head.append(block, static_cast<std::size_t>(got));
  }
  const auto slash = head.find('/');
  const auto name = head.substr(slash + 1, head.find_first_of(" ?", slash) - slash - 1);
  const auto path = directory_ + "/" + name;
  if (name.empty() || name.find('/') != std::string::npos || !std::filesystem::is_regular_file(path)) {
    send_all(socket, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const auto bytes = read_whole(path);
  if (!send_all(socket, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(bytes.size()) +
                            "\r\n\r\n" + bytes.substr(0, bytes.size() / 2))) {
    return;
  }
  ++waiting_;
  held_.wait(true);
  --waiting_;
  send_all(socket, std::string_view(bytes).substr(bytes.size() / 2));
}

}  // namespace fleet::test
