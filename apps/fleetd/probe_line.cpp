#include "probe_line.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace fleet {

bool ProbeLine::take_up() {
  if (!socket_.is_open()) return false;
  for (char bytes[4096];;) {
    const auto got = ::recv(socket_.native_handle(), bytes, sizeof bytes, MSG_DONTWAIT);
    const bool nothing_now = got < 0 && errno == EAGAIN;
    if (nothing_now && body_.ended()) return true;
    if (got > 0 && skip({bytes, static_cast<std::size_t>(got)})) continue;
    close();
    return false;
  }
}

bool ProbeLine::keep(std::string_view head, std::string_view rest) {
  http::ResponseHead answer;
  if (!http::parse_response(head, answer) || !answer.keep_alive()) return false;
  const auto framing = http::response_framing(answer, http::Method::get);
  if (!framing || framing->kind == http::BodyKind::until_close) return false;
  body_.begin(*framing);
  skipped_ = 0;
  return skip(rest);
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
  probes_ = 0;
}

}  // namespace fleet
