#include "api/gate.hpp"

#include <gtest/gtest.h>

#include <array>

namespace fleet::api {
namespace {

using Transport = Peer::Transport;

Request from(Transport transport, std::string host, std::string origin = "") {
  Request head;
  head.peer.transport = transport;
  head.host = std::move(host);
  head.origin = std::move(origin);
  return head;
}

bool is_admitted(const Request& head) {
  Policy policy;
  policy.own_name = "build-7";
  return !refuse_foreign(head, policy);
}

TEST(Gate, TakesAddressesLocalhostAndItsOwnNameAsHost) {
  for (const char* host : {"127.0.0.1:7070", "10.1.2.3", "[::1]:7070", "localhost:7070", "LOCALHOST", "build-7:7070"}) {
    EXPECT_TRUE(is_admitted(from(Transport::tcp, host))) << host;
  }
}

TEST(Gate, RefusesANameThatMayHaveBeenReboundToUs) {
  for (const char* host : {"evil.example", "127.0.0.1.evil.example:7070", "localhost.evil.example", ""}) {
    EXPECT_FALSE(is_admitted(from(Transport::tcp, host))) << host;
  }
}

TEST(Gate, LeavesTheHostToTheCertificateOverTlsAndToTheKernelOnTheSocket) {
  EXPECT_TRUE(is_admitted(from(Transport::tls, "fleet.example.com")));
  EXPECT_TRUE(is_admitted(from(Transport::unix_socket, "anything")));
}

TEST(Gate, RefusesAForeignOriginOnEveryTransport) {
  for (const auto transport : {Transport::tcp, Transport::tls, Transport::unix_socket}) {
    EXPECT_FALSE(is_admitted(from(transport, "localhost:7070", "https://evil.example")));
    EXPECT_FALSE(is_admitted(from(transport, "localhost:7070", "http://localhost:8080")));
    EXPECT_FALSE(is_admitted(from(transport, "localhost:7070", "null")));
    EXPECT_TRUE(is_admitted(from(transport, "localhost:7070", "http://localhost:7070")));
  }
}

TEST(Gate, TakesBodiesOnlyAsJsonSoThatAFormCannotSendThem) {
  Request head = from(Transport::unix_socket, "localhost");
  head.has_body = true;
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"}) {
    head.content_type = type;
    const auto refusal = refuse_foreign(head, {});
    ASSERT_TRUE(refusal) << type;
    EXPECT_EQ(refusal->status, 415u);
  }
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8"}) {
    head.content_type = type;
    EXPECT_TRUE(is_admitted(head)) << type;
  }
}

TEST(Gate, KnowsTheTokenByItsDigest) {
  const std::string digest = sha256("correct horse battery");
  EXPECT_TRUE(bears_token("Bearer correct horse battery", digest));
  EXPECT_TRUE(bears_token("bearer correct horse battery", digest));
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer correct", "Basic correct horse battery",
                            "Bearer  correct horse battery", "Bearer correct horse battery "}) {
    EXPECT_FALSE(bears_token(wrong, digest)) << wrong;
  }
  EXPECT_FALSE(bears_token("Bearer ", ""));
}

TEST(Gate, GivesOperatorRightsToRootTheOwnerAndTheSocketsGroup) {
  const std::array<unsigned, 2> groups{100, 990};
  EXPECT_TRUE(has_operator_rights(0, {}, 998, 998));
  EXPECT_TRUE(has_operator_rights(998, {}, 998, 998));
  EXPECT_TRUE(has_operator_rights(1000, groups, 998, 990));
  EXPECT_FALSE(has_operator_rights(1000, groups, 998, 998));
  EXPECT_FALSE(has_operator_rights(1000, {}, 998, 0));
}

}  // namespace
}  // namespace fleet::api
