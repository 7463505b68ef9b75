// Bodies larger than any buffer, both ways (P12).
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>

#include "client.hpp"
#include "origin.hpp"
#include "support/eventually.hpp"
#include "worker_process.hpp"

namespace fleet::test {
namespace {

constexpr std::uint64_t kBig = 1ull << 30;
constexpr long kMostKib = 1024;  // growth of the worker while it relays

// Takes an upload, or sends `kBig` bytes, with a length or in chunks as the path says.
void bulk(OriginConnection& connection) {
  std::string head;
  if (!connection.read_head(head)) return;
  if (head.starts_with("POST")) {
    std::uint64_t got = 0;
    while (got < kBig) {
      const auto part = connection.read_some();
      if (part.empty()) return;
      got += part.size();
    }
    connection.answer(std::to_string(got));
    return;
  }
  const std::string block(1 << 20, 'd');
  if (head.find("/chunked") == std::string::npos) {
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBig) + "\r\n\r\n");
    for (std::uint64_t sent = 0; sent < kBig && connection.send(block); sent += block.size()) {
    }
    return;
  }
  connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::uint64_t sent = 0; sent < kBig; sent += block.size()) {
    if (!connection.send("100000\r\n") || !connection.send(block) || !connection.send("\r\n")) return;
  }
  connection.send("0\r\n\r\n");
}

class ProxyStreaming : public testing::Test {
 protected:
  void SetUp() override {
    worker.start(slot, {route_to({{"a", origin.port()}})});
    Client(slot.https, Client::Tls{"shop.test"}).get("/warm", "nobody.test");
    before = worker.status_number("VmHWM:");
  }
  void TearDown() override { EXPECT_LE(worker.status_number("VmHWM:") - before, kMostKib); }
  std::uint64_t download(Client& client, const std::string& path) {
    client.send("GET " + path + " HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n");
    std::uint64_t got = 0;
    std::string tail;
    for (;;) {
      const auto part = client.read_some(1 << 18);
      if (part.empty()) break;
      got += part.size();
      tail = (tail + part).substr(tail.size() + part.size() > 7 ? tail.size() + part.size() - 7 : 0);
    }
    last = tail;
    return got;
  }
  Slot slot;
  Origin origin{bulk};
  WorkerProcess worker;
  long before = 0;
  std::string last;
};

TEST_F(ProxyStreaming, RelaysAGigabyteDownInBoundedMemory) {
  Client client(slot.http);
  EXPECT_GE(download(client, "/"), kBig);
}

TEST_F(ProxyStreaming, RelaysAGigabyteOfChunksDownOverTlsInBoundedMemory) {
  Client client(slot.https, Client::Tls{"shop.test"});
  EXPECT_GE(download(client, "/chunked"), kBig);
  EXPECT_EQ(last, "\r\n0\r\n\r\n");
}

TEST_F(ProxyStreaming, RelaysAGigabyteUpInBoundedMemory) {
  Client client(slot.http);
  client.send("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: " + std::to_string(kBig) + "\r\n\r\n");
  const std::string block(1 << 20, 'u');
  for (std::uint64_t sent = 0; sent < kBig && client.send(block); sent += block.size()) {
  }
  EXPECT_EQ(client.read_answer().body, std::to_string(kBig));
}

TEST(ProxyStreams, P12StopsReadingFromTheApplicationWhenTheClientDoes) {
  Slot slot;
  std::atomic<std::uint64_t> sent = 0;
  std::atomic<bool> stalled = false;
  Origin origin([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    const timeval limit{0, 300000};
    ::setsockopt(connection.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const std::string block(1 << 16, 'd');
    while (connection.send(block)) sent += block.size();
    stalled = true;
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.http);
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  EXPECT_FALSE(client.read_some(1).empty());
  ASSERT_TRUE(eventually([&] { return stalled.load(); }));
  EXPECT_LT(sent, 32u << 20) << "what the kernel's buffers hold, and no more";
}

TEST(ProxyStreams, P12SendsAnEventOnAsItArrives) {
  Slot slot;
  std::atomic<int> step = 0;
  Origin origin([&](OriginConnection& connection) {
    std::string head;
    connection.read_head(head);
    connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      connection.send("a\r\ndata: " + std::to_string(i) + "\n\n\n\r\n");
      if (!eventually([&] { return step > i; })) return;
    }
    connection.send("0\r\n\r\n");
  });
  WorkerProcess worker;
  worker.start(slot, {route_to({{"a", origin.port()}})});
  Client client(slot.https, Client::Tls{"shop.test"});
  client.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
  std::string got;
  for (int i = 0; i < 3; ++i) {
    while (got.find("data: " + std::to_string(i)) == std::string::npos) {
      const auto part = client.read_some();
      ASSERT_FALSE(part.empty());
      got += part;
    }
    ++step;
  }
}

}  // namespace
}  // namespace fleet::test
