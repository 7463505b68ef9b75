// Certificates and tickets with real workers.
#include <gtest/gtest.h>

#include "client.hpp"
#include "origin.hpp"
#include "support/certificates/certificates.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

wire::Certificate certificate(const std::string& name, const std::string& key, const std::string& file) {
  const auto issued = issue({.name = name, .hosts = {name}, .key = key});
  return {issued.certificate, issued.key, file};
}

std::string ticket(char c) { return std::string(80, c); }

wire::KeysAck give(WorkerProcess& worker, const std::vector<wire::Certificate>& certificates,
                   const std::vector<std::string>& tickets = {ticket('a')}) {
  wire::Keys keys;
  keys.certificates = certificates;
  keys.ticket_keys = tickets;
  worker.send(keys);
  return worker.expect<wire::KeysAck>();
}

struct Session {
  explicit Session(SSL_SESSION* taken) : session(taken) {}
  ~Session() { SSL_SESSION_free(session); }
  Session(const Session&) = delete;
  SSL_SESSION* session;
};

// The ticket of TLS 1.3 comes with the first answer.
SSL_SESSION* begin(std::uint16_t port) {
  Client client(port, Client::Tls{"shop.test"});
  EXPECT_EQ(client.get("/").status, 404);
  return client.session();
}

bool resumes(std::uint16_t port, const Session& session) {
  Client::Tls tls{"shop.test"};
  tls.session = session.session;
  Client client(port, tls);
  EXPECT_EQ(client.get("/").status, 404);
  return client.resumed();
}

TEST(ProxyTls, PresentsRsaOrEcdsaByWhatTheClientCanUse) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  const auto ack = give(worker, {certificate("shop.test", "RSA 2048", "r.pem"), certificate("shop.test", "P-256", "e.pem"),
                                 certificate("other.test", "P-256", "o.pem"), certificate("other.test", "RSA 2048", "p.pem")});
  EXPECT_EQ(ack, wire::KeysAck{});
  for (const auto* name : {"shop.test", "other.test"}) {
    EXPECT_EQ(Client(slot.https, Client::Tls{.server_name = name, .signatures = "rsa_pss_rsae_sha256:RSA+SHA256"}).key_kind(), "RSA");
    EXPECT_EQ(Client(slot.https, Client::Tls{.server_name = name, .signatures = "ECDSA+SHA256"}).key_kind(), "EC");
    EXPECT_EQ(Client(slot.https, Client::Tls{name}).key_kind(), "EC");
    EXPECT_EQ(Client(slot.https, Client::Tls{name}).certificate_name(), name);
  }
}

TEST(ProxyTls, ResumesWhatAnotherWorkerBegan) {
  Slot one, other;
  WorkerProcess first, second;
  first.start(one, {});
  second.start(other, {});
  const auto shop = certificate("shop.test", "P-256", "s.pem");
  give(first, {shop}), give(second, {shop});
  const Session session(begin(one.https));
  EXPECT_TRUE(resumes(other.https, session));
  give(second, {shop}, {ticket('z')});
  EXPECT_FALSE(resumes(other.https, session)) << "it is the shared key that does it";
}

TEST(ProxyTls, ResumesThroughTwoRotationsOfTheTicketKeys) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  const auto shop = certificate("shop.test", "P-256", "s.pem");
  give(worker, {shop});
  const Session session(begin(slot.https));
  give(worker, {shop}, {ticket('b'), ticket('a')});
  EXPECT_TRUE(resumes(slot.https, session));
  give(worker, {shop}, {ticket('c'), ticket('b'), ticket('a')});
  EXPECT_TRUE(resumes(slot.https, session));
  give(worker, {shop}, {ticket('d'), ticket('c'), ticket('b')});
  EXPECT_FALSE(resumes(slot.https, session));
}

TEST(ProxyTls, NewCertificatesLeaveOpenConnectionsAsTheyAre) {
  Slot slot;
  Origin origin(always("ok"));
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.https, Client::Tls{"shop.test"});
  ASSERT_EQ(client.get("/").body, "ok");
  EXPECT_EQ(give(worker, {certificate("renewed", "RSA 2048", "s.pem")}), wire::KeysAck{});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.get("/").body, "ok");
  EXPECT_EQ(Client(slot.https, Client::Tls{"shop.test"}).certificate_name(), "renewed");
}

TEST(ProxyTls, ABadCertificateIsNamedAndAllOthersAreServed) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  auto one = certificate("one.test", "P-256", "one.pem"), two = certificate("two.test", "P-256", "two.pem");
  EXPECT_EQ(give(worker, {one, two}), wire::KeysAck{});
  two.certificate_pem = "nonsense";
  auto renewed = certificate("one.test", "RSA 2048", "one.pem");
  const auto ack = give(worker, {renewed, two});
  EXPECT_EQ(ack.error, "");
  ASSERT_EQ(ack.refused.size(), 1u);
  EXPECT_EQ(ack.refused[0].file, "two.pem");
  EXPECT_EQ(Client(slot.https, Client::Tls{"one.test"}).key_kind(), "RSA");
  EXPECT_EQ(Client(slot.https, Client::Tls{"two.test"}).certificate_name(), "two.test") << "its version before";
}

TEST(ProxyTls, GivesItsKeysToTheNextFleetd) {
  Slot slot;
  WorkerProcess worker;
  worker.start(slot, {});
  wire::Keys keys;
  keys.certificates = {certificate("one.test", "P-256", "one.pem")};
  keys.ticket_keys = {ticket('b'), ticket('a')};
  keys.ticket_keys_since = 1'700'000'000;
  worker.send(keys);
  worker.expect<wire::KeysAck>();
  worker.dial();
  EXPECT_TRUE(worker.hello.gives_keys);
  worker.send(wire::GiveKeys{});
  EXPECT_EQ(worker.expect<wire::Keys>(), keys);
}

}  // namespace
}  // namespace fleet::test
