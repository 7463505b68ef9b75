#include <poll.h>

#include <algorithm>

#include "support/load_account.hpp"

namespace fleet::test {
namespace {

constexpr auto kBetweenFrames = milliseconds(100);
// Close frames of a server that goes away or restarts (RFC 6455 section 7.4.1, and 1012 of IANA's registry).
const std::string kGoingAway("\x88\x02\x03\xe9", 4), kRestarts("\x88\x02\x03\xf4", 4);

// A masked text frame, which an echo of bytes gives back as it is.
std::string frame(std::uint64_t number) {
  const auto text = "frame " + std::to_string(number);
  return std::string("\x81") + static_cast<char>(0x80 | text.size()) + "mask" + text;
}

class WebSocketLoad {
 public:
  WebSocketLoad(Run& run, Account& account, const Peer& peer) : run_(run), account_(account), peer_(peer) {}

  void work() {
    while (!run_.over()) {
      const auto errand = account_.next_tunnel();
      bool sent = false;
      via_ = {};
      account_.done(errand, live(errand, sent), sent, via_);
      run_.wait_until(LoadClock::now() + kBetweenFrames);
    }
  }

 private:
  // Of one WebSocket. What it answered is the 101.
  Expected<Response> live(const Errand& errand, bool& sent) {
    auto connection = Connection::open(peer_);
    if (!connection) return std::unexpected(connection.error());
    account_.connected();
    via_ = Via::now(connection->own_port());
    sent = true;
    const auto asked = connection->send(request_text(
        peer_, "GET", errand.target,
        {"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a2V5"}));
    if (!asked) return std::unexpected(asked.error());
    auto answer = connection->receive_head();
    if (!answer || answer->status != 101) return answer;
    connection->never_wait();
    for (std::uint64_t number = 1; !run_.over(); ++number) {
      const auto closed = echo(*connection, frame(number));
      if (!closed) return std::unexpected(closed.error());
      if (*closed) break;
      account_.echoed();
      run_.wait_until(LoadClock::now() + kBetweenFrames);
    }
    return answer;
  }

  // Whether it was closed instead, or after the echo.
  Expected<bool> echo(Connection& connection, const std::string& said) const {
    const std::string closes[] = {kGoingAway, kRestarts, said + kGoingAway, said + kRestarts};
    (void)connection.give_some(said);  // whether it is still open is learnt by reading
    std::string heard;
    for (const auto until = LoadClock::now() + peer_.timeout; heard != said;) {
      if (std::ranges::count(closes, heard) > 0) return true;
      const auto begins_so = [&](const std::string& whole) { return whole.starts_with(heard); };
      if (!begins_so(said) && std::ranges::none_of(closes, begins_so)) return failed(Cause::body, "not the echo");
      if (LoadClock::now() >= until) return failed(Cause::timeout, "no echo");
      pollfd wait{connection.socket(), POLLIN, 0};
      ::poll(&wait, 1, 50);
      const auto more = connection.take_some();
      if (!more) return failed(Cause::cut, "no Close frame: " + more.error().text);
      heard += *more;
    }
    return false;
  }
  static std::unexpected<Failure> failed(Cause cause, std::string text) {
    return std::unexpected(Failure{cause, std::move(text)});
  }

  Run& run_;
  Account& account_;
  const Peer& peer_;
  Via via_;
};

}  // namespace

void run_websocket(Run& run, Account& account, const Peer& peer) { WebSocketLoad(run, account, peer).work(); }

}  // namespace fleet::test
