#include "encryption/tls_stream.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "one_round.hpp"
#include "os/unix_socket.hpp"
#include "support/certificates/certificates.hpp"

namespace fleet::proxy {
namespace {

std::shared_ptr<const TlsContexts> contexts() {
  const auto issued = test::issue({.name = "shop.test", .hosts = {"shop.test"}});
  wire::Keys keys;
  keys.certificates.push_back({issued.certificate, issued.key, {}});
  keys.ticket_keys.push_back(std::string(80, 'k'));
  return TlsContexts::make(keys, nullptr)->contexts;
}

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23 + i / 4099 % 3);
  return text;
}

// A TlsStream and OpenSSL's own client at the two ends of a socket pair.
class TlsStreamTest : public testing::TestWithParam<int> {
 protected:
  TlsStreamTest() : context_(SSL_CTX_new(TLS_client_method())), client(SSL_new(context_)) {
    auto pair = os::unix_pair();
    const int small = 16 << 10;
    ::setsockopt(pair->second.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    theirs = std::move(pair->first);
    stream = std::make_unique<TlsStream>(SocketPtr(new Socket(loop, std::move(pair->second))), contexts());
    SSL_set_fd(client, theirs.get());
    SSL_set_max_proto_version(client, GetParam());
    SSL_set_connect_state(client);
  }
  ~TlsStreamTest() override {
    SSL_free(client);
    SSL_CTX_free(context_);
  }

  void round() { one_round(loop); }
  void shake() {
    bool done = false;
    for (int i = 0; i < 10 && !done; ++i) {
      const bool theirs_done = SSL_do_handshake(client) == 1;
      round();
      if (!ours_done_) ours_done_ = stream->handshake().status == IoStatus::done;
      done = theirs_done && ours_done_;
    }
    ASSERT_TRUE(done);
  }
  std::string client_reads() {
    std::string all;
    char part[8192];
    for (int got = 0; (got = SSL_read(client, part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(got));
    return all;
  }
  void client_writes(std::string_view bytes) {
    ASSERT_EQ(SSL_write(client, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }

  Loop loop;
  os::Fd theirs;
  std::unique_ptr<TlsStream> stream;
  SSL_CTX* context_;
  SSL* client;
  bool ours_done_ = false;
};

TEST_P(TlsStreamTest, CarriesBytesBothWays) {
  shake();
  client_writes("question");
  round();
  ASSERT_TRUE(stream->can_read());
  char bytes[100];
  const auto got = stream->read(bytes, sizeof bytes);
  EXPECT_EQ(std::string_view(bytes, got.bytes), "question");
  EXPECT_FALSE(stream->can_read());
  EXPECT_EQ(stream->read(bytes, sizeof bytes).status, IoStatus::again);
  EXPECT_EQ(stream->write("answer").bytes, 6u);
  EXPECT_EQ(client_reads(), "answer");
}

TEST_P(TlsStreamTest, EachByteLeavesOnceThoughTheSocketTakesAFewAtATime) {
  shake();
  const auto whole = pattern(1 << 20);
  std::string_view left = whole;
  std::string came;
  int blocked = 0;
  for (int turns = 0; came.size() < whole.size() && turns < 10'000; ++turns) {
    while (!left.empty() && stream->can_write()) {
      const auto sent = stream->write(left);
      ASSERT_NE(sent.status, IoStatus::failed);
      if (sent.status == IoStatus::again) {
        ++blocked;
        break;
      }
      left.remove_prefix(sent.bytes);
    }
    came += client_reads();
    round();
  }
  EXPECT_EQ(came, whole);
  EXPECT_TRUE(left.empty());
  EXPECT_GT(blocked, 0) << "nothing was tried";
}

TEST_P(TlsStreamTest, ReadsWhatCameBeforeThereWasRoom) {
  shake();
  const auto whole = pattern(12'000);
  client_writes(whole);
  round();
  std::string came;
  char little[777];
  while (stream->can_read()) {
    const auto got = stream->read(little, sizeof little);
    if (got.status != IoStatus::done) break;
    came.append(little, got.bytes);
  }
  EXPECT_EQ(came, whole);
}

TEST_P(TlsStreamTest, HasTheRequestThatCameWithTheLastOfTheHandshake) {
  SSL_do_handshake(client);
  round();
  stream->handshake();
  SSL_do_handshake(client);
  const bool early = GetParam() == TLS1_3_VERSION;  // before, the client waits for our last word
  if (early) client_writes("at once");
  shake();
  if (!early) client_writes("at once");
  round();
  ASSERT_TRUE(stream->can_read());
  char bytes[100];
  EXPECT_EQ(std::string(bytes, stream->read(bytes, sizeof bytes).bytes), "at once");
}

TEST_P(TlsStreamTest, SaysAndHearsTheEnd) {
  shake();
  client_writes("last words");
  SSL_shutdown(client);
  round();
  char bytes[100];
  EXPECT_EQ(std::string(bytes, stream->read(bytes, sizeof bytes).bytes), "last words");
  ASSERT_TRUE(stream->can_read()) << "nothing else will come to tell of the end";
  EXPECT_EQ(stream->read(bytes, sizeof bytes).status, IoStatus::closed);
  stream->end_output();
  EXPECT_EQ(client_reads(), "");
  EXPECT_NE(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN, 0);
}

TEST_P(TlsStreamTest, WhatIsNoTlsFailsAndIsTold) {
  shake();
  ASSERT_EQ(::send(theirs.get(), "this is no record at all", 24, 0), 24);
  round();
  char bytes[100];
  EXPECT_EQ(stream->read(bytes, sizeof bytes).status, IoStatus::failed);
  EXPECT_EQ(stream->write("x").status, IoStatus::failed);
  char alert[100];
  EXPECT_GT(::recv(theirs.get(), alert, sizeof alert, MSG_DONTWAIT), 0);
}

TEST_P(TlsStreamTest, SessionsAreResumed) {
  shake();
  stream->write("the ticket comes with this, or came before");
  client_reads();
  EXPECT_FALSE(stream->tls_resumed());
  SSL_SESSION* session = SSL_get1_session(client);
  EXPECT_EQ(SSL_SESSION_is_resumable(session), 1);
  EXPECT_GT(SSL_SESSION_has_ticket(session), 0);
  SSL_SESSION_free(session);
}

INSTANTIATE_TEST_SUITE_P(Tls, TlsStreamTest, testing::Values(TLS1_3_VERSION, TLS1_2_VERSION),
                         [](const auto& version) { return version.param == TLS1_3_VERSION ? "v13" : "v12"; });

}  // namespace
}  // namespace fleet::proxy
