// What never ends by itself, through a deploy.
#include <poll.h>

#include "expect.hpp"

namespace fleet::test {
namespace {

const std::string kFrame = std::string("\x82\x85", 2) + "mask" + "hello";  // masked, binary
const std::string kRestarts("\x88\x02\x03\xf4", 4);                          // Close, 1012

// What comes within 10 s; empty: the end.
std::string more(Connection& connection) {
  pollfd wait{connection.socket(), POLLIN, 0};
  if (::poll(&wait, 1, 10'000) != 1) return {};
  return connection.take_some().value_or("");
}

Expected<Connection> open_websocket(const Fleet& fleet) {
  const auto peer = fleet.https();
  auto connection = Connection::open(peer);
  if (!connection) return connection;
  const auto asked = connection->send(request_text(
      peer, "GET", "/socket",
      {"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a2V5"}));
  if (!asked) return std::unexpected(asked.error());
  const auto answer = connection->receive_head();
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != 101) return std::unexpected(Failure{Cause::status, std::to_string(answer->status)});
  connection->never_wait();
  return connection;
}

TEST(WebSocket, GoesOnThroughADeployUntilItsDeadlineAndIsClosedBetweenTwoFrames) {
  FleetSetup setup;
  setup.demo_apps[0].drain = {"timeout = \"10s\"", "streams = \"1s\"", "stop_timeout = \"5s\""};
  Fleet fleet(setup);
  fleet.start();
  ASSERT_TRUE(ended(fleet.deploy({"v1"}), kDone));
  Traffic traffic(fleet);
  traffic.flow();
  auto socket = open_websocket(fleet);
  ASSERT_TRUE(socket) << socket.error().text;
  const auto id = fleet.begin_deploy(fleet.pack({"v2"}));
  std::string sent, got;
  bool in_drain = false;
  while (sent.starts_with(got)) {
    sent += kFrame;
    if (!socket->send(kFrame)) break;
    const auto part = more(*socket);
    if (part.empty()) break;
    got += part;
    in_drain |= fleet.deployment(id).at("phase") == "drain" && sent == got;
  }
  EXPECT_TRUE(in_drain) << "echoed while the old release drained";
  ASSERT_TRUE(got.ends_with(kRestarts)) << "closed by a Close frame, not cut";
  got.resize(got.size() - kRestarts.size());
  EXPECT_TRUE(sent.starts_with(got));
  EXPECT_EQ(got.size() % kFrame.size(), 0u) << "and that between two frames";
  EXPECT_EQ(fleet.wait_end(id).at("state"), "succeeded");
  EXPECT_TRUE(open_websocket(fleet)) << "of the new release";
  traffic.flow();
  EXPECT_TRUE(lossless(traffic.stop(400), {"v1", "v2"}));
}

}  // namespace
}  // namespace fleet::test
