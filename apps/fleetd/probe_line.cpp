#include "probe_line.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace fleet {

bool ProbeLine::say(std::string_view request) {
  if (!is_good()) {
    close();
    return false;
  }
  heard_.clear();
  const auto sent = ::send(kept_.get(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  asked_ = sent == static_cast<ssize_t>(request.size());
  if (!asked_) close();
  return asked_;
}

bool ProbeLine::is_good() {
  if (!kept_ || probes_ >= kProbes) return false;
  if (body_.ended()) return true;  // whatever has come since, or its end, shows in the answer
  for (char bytes[4096];;) {
    const auto got = ::recv(kept_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return body_.ended();
    if (got <= 0 || !skip({bytes, static_cast<std::size_t>(got)})) return false;
  }
}

bool ProbeLine::hear() {
  char bytes[4096];
  const auto got = ::recv(kept_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got > 0) heard_.append(bytes, static_cast<std::size_t>(got));
  return got > 0 || (got < 0 && errno == EAGAIN);
}

ProbeLine::Socket& ProbeLine::socket() {
  if (!kept_) return socket_;
  int family = AF_INET;
  socklen_t size = sizeof family;
  ::getsockopt(kept_.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  boost::system::error_code failed;
  socket_.assign(Protocol(family, 0), kept_.get(), failed);
  if (!failed) (void)kept_.release();
  kept_.reset();
  return socket_;
}

bool ProbeLine::keep(std::size_t head) {
  asked_ = false;
  ++probes_;
  http::ResponseHead answer;
  const auto bytes = std::string_view(heard_);
  if (!http::parse_response(bytes.substr(0, head), answer) || !answer.keep_alive()) return false;
  const auto framing = http::response_framing(answer, http::Method::get);
  if (!framing || framing->kind == http::BodyKind::until_close) return false;
  body_.begin(*framing);
  skipped_ = 0;
  if (!skip(bytes.substr(head))) return false;
  boost::system::error_code failed;
  if (socket_.is_open()) kept_ = os::Fd(socket_.release(failed));
  return bool(kept_);
}

// Whether these can belong to the body, and it is not too long.
bool ProbeLine::skip(std::string_view bytes) {
  skipped_ += bytes.size();
  if (skipped_ > kLongestBody) return false;
  while (!bytes.empty() && !body_.ended()) {
    const auto framing = body_.read(bytes);
    if (!framing) return false;
    bytes.remove_prefix(*framing);
    const auto ready = body_.ready();
    bytes.remove_prefix(ready);
    body_.taken(ready);
  }
  return bytes.empty();
}

void ProbeLine::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  kept_.reset();
  probes_ = 0;
  asked_ = false;
}

}  // namespace fleet
