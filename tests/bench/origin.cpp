// bench-origin --port N: the application behind every proxy that scripts/bench measures. One thread, HTTP/1.1 over
// loopback, as little work as can be: GET /bytes/N answers N bytes, any body with a Content-Length is read and dropped,
// everything else answers 128 bytes. What it cannot frame it answers by 400 and closes, so that it counts as an error.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kMaxHead = 32u << 10, kMaxAnswer = 16u << 20, kRead = 256u << 10;

std::string answer_of(std::size_t size) {
  std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(size) +
      "\r\n\r\n";
  for (std::size_t i = 0; i < size; ++i) answer += static_cast<char>('a' + i % 26);
  return answer;
}

// Made at the first request for them; never dropped.
std::string_view answer(std::size_t size) {
  static std::map<std::size_t, std::string> all;
  auto& made = all[size];
  if (made.empty()) made = answer_of(size);
  return made;
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The value of a field, without its whitespace. `name` is in lower case.
std::optional<std::string_view> field(std::string_view head, std::string_view name) {
  for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at)) {
    at += 2;
    const auto line = head.substr(at, head.find("\r\n", at) - at);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    bool same = true;
    for (std::size_t i = 0; same && i < name.size(); ++i) same = (line[i] | 0x20) == (name[i] | 0x20);
    if (!same) continue;
    auto value = line.substr(name.size() + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    return value;
  }
  return std::nullopt;
}

struct Request {
  std::size_t body = 0;  // bytes
  std::string_view answer;
};

std::optional<Request> read_head(std::string_view head) {
  Request request;
  if (field(head, "transfer-encoding")) return std::nullopt;
  if (const auto length = field(head, "content-length")) {
    const auto value = number(*length);
    if (!value) return std::nullopt;
    request.body = *value;
  }
  const auto path_at = head.find(' ');
  if (path_at == head.npos) return std::nullopt;
  auto path = head.substr(path_at + 1, head.find_first_of(" \r", path_at + 1) - path_at - 1);
  std::size_t size = 128;
  if (path.starts_with("/bytes/")) {
    const auto wanted = number(path.substr(7));
    if (!wanted || *wanted > kMaxAnswer) return std::nullopt;
    size = *wanted;
  }
  request.answer = answer(size);
  return request;
}

class Connection {
 public:
  Connection(int fd, int epoll) : fd_(fd), epoll_(epoll) {}
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;

  // False when it has ended.
  bool ready(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !write()) return false;
    return (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || read();
  }

 private:
  bool read() {
    static std::array<char, kRead> room;
    const auto n = ::recv(fd_, room.data(), room.size(), 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    return take({room.data(), static_cast<std::size_t>(n)});
  }

  bool take(std::string_view bytes) {
    while (!bytes.empty()) {
      if (body_left_ == 0) {
        if (!take_head(bytes)) return false;
        if (!in_request_) return true;
      }
      const auto part = std::min(body_left_, bytes.size());
      bytes.remove_prefix(part);
      body_left_ -= part;
      if (body_left_ > 0) return true;
      in_request_ = false;
      if (!write()) return false;
    }
    return true;
  }

  // Takes a head from the front of `bytes`, or keeps them until the rest comes.
  bool take_head(std::string_view& bytes) {
    std::string_view all = bytes;
    if (!partial_.empty()) all = partial_.append(bytes);
    const auto end = all.find("\r\n\r\n");
    if (end == all.npos) {
      if (partial_.empty()) partial_ = bytes;
      bytes = {};
      return partial_.size() <= kMaxHead;
    }
    const auto request = read_head(all.substr(0, end + 2));
    if (!request) {
      static constexpr std::string_view kBad =
          "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      (void)::send(fd_, kBad.data(), kBad.size(), MSG_NOSIGNAL);
      return false;
    }
    in_request_ = true;
    body_left_ = request->body;
    out_.append(request->answer);
    bytes.remove_prefix(bytes.size() - (all.size() - end - 4));
    partial_.clear();
    return true;
  }

  bool write() {
    while (!out_.empty()) {
      const auto n = ::send(fd_, out_.front().data(), out_.front().size(), MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN && watch(EPOLLIN | EPOLLOUT);
      out_.sent(static_cast<std::size_t>(n));
    }
    return watch(EPOLLIN);
  }

  bool watch(std::uint32_t events) {
    if (events == watched_) return true;
    epoll_event event{};
    event.events = watched_ = events;
    event.data.ptr = this;
    return ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event) == 0;
  }

  // Answers that wait, mostly one.
  class Answers {
   public:
    void append(std::string_view answer) { all_.push_back(answer); }
    bool empty() const { return all_.empty(); }
    std::string_view front() const { return all_.front(); }
    void sent(std::size_t size) {
      all_.front().remove_prefix(size);
      if (all_.front().empty()) all_.erase(all_.begin());
    }

   private:
    std::vector<std::string_view> all_;
  };

  int fd_, epoll_;
  std::uint32_t watched_ = EPOLLIN;
  std::string partial_;  // of a head
  bool in_request_ = false;
  std::size_t body_left_ = 0;
  Answers out_;
};

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // inherited by what is accepted
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 4096) != 0) {
    std::perror("bench-origin: cannot listen");
    std::exit(1);
  }
  return fd;
}

void add(int epoll, int fd, void* what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = what;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

int main(int argc, char** argv) {
  const auto port = argc == 3 && std::string_view(argv[1]) == "--port" ? number(argv[2]) : std::nullopt;
  if (!port || *port > 65535) {
    std::fputs("usage: bench-origin --port N\n", stderr);
    return 2;
  }
  ::signal(SIGTERM, [](int) { ::_exit(0); });
  const int listener = listen_on(static_cast<std::uint16_t>(*port));
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  add(epoll, listener, nullptr);

  std::array<epoll_event, 256> events;
  while (true) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      if (auto* connection = static_cast<Connection*>(event.data.ptr)) {
        if (!connection->ready(event.events)) delete connection;
        continue;
      }
      for (int fd; (fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        add(epoll, fd, new Connection(fd, epoll));
      }
    }
  }
}
