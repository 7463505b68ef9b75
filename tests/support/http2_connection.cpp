#include "support/http2_connection.hpp"

namespace fleet::test {

Expected<Http2Connection> Http2Connection::open(Peer peer) {
  peer.protocol = "h2";
  auto connection = Connection::open(peer);
  if (!connection) return std::unexpected(connection.error());
  connection->never_wait();
  return Http2Connection(std::move(*connection));
}

Http2Connection::Http2Connection(Connection connection)
    : connection_(std::move(connection)), streams_(std::make_unique<Http2Streams>()) {}

void Http2Connection::turn() {
  const auto flush = [this] {
    const auto given = connection_.give_some(streams_->out());
    if (given) streams_->out().erase(0, *given);
    return given;
  };
  if (streams_->over()) return;
  // A server that says why it closes is heard even if it takes no more.
  const auto given = flush();
  const auto taken = connection_.take_some();
  if (taken) streams_->receive(*taken);
  if (!taken) return streams_->end(taken.error());
  if (!given) return streams_->end(given.error());
  if (const auto answered = flush(); !answered) streams_->end(answered.error());
}

}  // namespace fleet::test
