#include "io/gathering.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/stream.hpp"
#include "one_round.hpp"
#include "os/unix_socket.hpp"

namespace fleet::proxy {
namespace {

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

std::string all_at(int fd) {
  std::string all;
  char part[64 << 10];
  for (ssize_t got = 0; (got = ::recv(fd, part, sizeof part, MSG_DONTWAIT)) > 0;) all.append(part, static_cast<std::size_t>(got));
  return all;
}

// As much as it takes, from behind the loop's back.
std::size_t fill(int fd) {
  const std::string much(64 << 10, 'f');
  std::size_t filled = 0;
  for (auto size = much.size(); size > 0; size /= 2) {
    for (ssize_t sent = 0; (sent = ::send(fd, much.data(), size, MSG_DONTWAIT)) > 0;) filled += static_cast<std::size_t>(sent);
  }
  return filled;
}

// ---- the system call

struct Pair {
  Pair() {
    auto pair = os::unix_pair();
    ours = std::move(pair->first), theirs = std::move(pair->second);
  }
  os::Fd ours, theirs;
};

TEST(BatchTest, DoesWhatRecvAndSendWouldEachWithItsOwnOutcome) {
  std::signal(SIGPIPE, SIG_IGN);
  Pair has_bytes, silent, ended, takes, full, broken;
  ASSERT_EQ(::send(has_bytes.theirs.get(), "question", 8, 0), 8);
  ended.theirs.reset();
  fill(full.ours.get());
  broken.theirs.reset();
  char in[3][16], out[] = "answer";
  std::array transfers{
      Transfer{has_bytes.ours.get(), Transfer::Way::in, in[0], sizeof in[0]},
      Transfer{silent.ours.get(), Transfer::Way::in, in[1], sizeof in[1]},
      Transfer{ended.ours.get(), Transfer::Way::in, in[2], sizeof in[2]},
      Transfer{takes.ours.get(), Transfer::Way::out, out, 6},
      Transfer{full.ours.get(), Transfer::Way::out, out, 6},
      Transfer{broken.ours.get(), Transfer::Way::out, out, 6},
      Transfer{-1, Transfer::Way::out, out, 6},
      Transfer{takes.ours.get(), Transfer::Way::out, out, 6},
  };
  const std::array<ssize_t, 8> expected{8, -EAGAIN, 0, 6, -EAGAIN, -EPIPE, -EBADF, 6};
  Batch batch;
  for (int times = 0; times < 2; ++times) {  // together, and each alone
    std::vector<ssize_t> results;
    if (times == 0) batch.run(transfers);
    for (auto& transfer : transfers) {
      if (times == 1) batch.run({&transfer, 1});
      results.push_back(transfer.result);
    }
    EXPECT_EQ(results, std::vector<ssize_t>(expected.begin(), expected.end()));
    EXPECT_EQ(std::string(in[0], 8), "question");
    EXPECT_EQ(all_at(takes.theirs.get()), "answeranswer");
    ASSERT_EQ(::send(has_bytes.theirs.get(), "question", 8, 0), 8);
  }
}

TEST(BatchTest, GoesOnForAsLongAsItIsUsed) {
  Batch batch;
  std::vector<Pair> pairs(Batch::kMost);
  for (int times = 0; times < 100; ++times) {  // more than the ring of results holds
    std::vector<Transfer> transfers;
    std::string bytes(1, static_cast<char>('a' + times % 26));
    for (auto& pair : pairs) transfers.push_back({pair.ours.get(), Transfer::Way::out, bytes.data(), 1});
    batch.run(transfers);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      ASSERT_EQ(transfers[i].result, 1);
      ASSERT_EQ(all_at(pairs[i].theirs.get()), bytes);
    }
  }
}

// ---- sockets that are ready at once

struct Peer final : ReadinessListener {
  explicit Peer(Loop& loop) {
    stream = std::make_unique<PlainStream>(SocketPtr(new Socket(loop, std::move(pair.ours))));
    stream->socket().set_listener(this);
  }
  void on_ready() override {
    ++told;
    if (turn) turn();
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(pair.theirs.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  std::string read(std::size_t room = 64 << 10) {
    std::string bytes(room, ' ');
    bytes.resize(stream->read(bytes.data(), room).bytes);
    return bytes;
  }
  std::string read_all() {
    std::string all;
    while (stream->can_read()) all += read();
    return all;
  }
  Socket& socket() { return stream->socket(); }
  std::string received() { return all_at(pair.theirs.get()); }

  Pair pair;
  std::unique_ptr<PlainStream> stream;
  int told = 0;
  std::function<void()> turn;
};

// With the system call, and where there is none.
class Together : public testing::TestWithParam<bool> {
 protected:
  Together() {
    std::signal(SIGPIPE, SIG_IGN);
    for (auto* peer : {&a, &b}) {  // both are known for small reads
      peer->send("hello");
      round();
      EXPECT_EQ(peer->read(), "hello");
      peer->told = 0;
    }
  }
  void round() { one_round(loop); }

  const bool possible = GetParam() && Batch().available();
  Loop loop{GetParam()};
  Peer a{loop}, b{loop};
};

TEST_P(Together, AreReadBeforeTheirTurns) {
  std::string of_a, of_b;
  a.turn = [&] {
    EXPECT_EQ(a.socket().has_ahead(), possible);
    of_a = a.read();
  };
  b.turn = [&] {
    EXPECT_EQ(b.socket().has_ahead(), possible);
    of_b = b.read();
  };
  a.send("for a"), b.send("for b");
  round();
  EXPECT_EQ(of_a, "for a");
  EXPECT_EQ(of_b, "for b");
  EXPECT_FALSE(a.stream->can_read() || b.stream->can_read());
  round();
  EXPECT_EQ(a.told, 1);
}

TEST_P(Together, WhatATurnLeavesIsThereLater) {
  a.send("first of a"), b.send("first of b");
  b.turn = [&] { EXPECT_EQ(b.read(5), "first"); };
  round();
  b.turn = nullptr;
  a.send(", then this"), b.send(", then that");
  round();
  EXPECT_EQ(a.read_all(), "first of a, then this");
  EXPECT_EQ(b.read_all(), " of b, then that");
  EXPECT_FALSE(a.stream->can_read() || b.stream->can_read());
}

TEST_P(Together, MoreThanIsReadAheadFollowsIt) {
  const auto much = pattern(3 * Gathering::kSmall + 5);
  std::string of_a;
  a.turn = [&] { of_a = a.read_all(); };
  a.send(much), b.send("x");
  round();
  EXPECT_EQ(of_a, much);
  // It is not known for small reads any more, until there is one.
  a.turn = [&] {
    EXPECT_FALSE(a.socket().has_ahead());
    of_a = a.read();
  };
  a.send("small"), b.read(), b.send("x");
  round();
  EXPECT_EQ(of_a, "small");
}

TEST_P(Together, AnEndBehindBytesIsReadAfterThem) {
  a.send("last"), b.send("last");
  a.pair.theirs.reset();
  round();
  EXPECT_EQ(a.read(), "last");
  char byte = 0;
  EXPECT_TRUE(a.stream->can_read());
  EXPECT_EQ(a.stream->read(&byte, 1).status, IoStatus::closed);
}

TEST_P(Together, AreWrittenAfterTheirTurnsAndTold) {
  int written = 0;
  for (auto* peer : {&a, &b}) {
    peer->turn = [&, peer] {
      if (peer->stream->can_read()) peer->read();
      const auto sent = peer->stream->write("answer");
      if (peer->told == 1 && possible) {
        EXPECT_EQ(sent.status, IoStatus::again);
        EXPECT_FALSE(peer->stream->can_write());
        EXPECT_EQ(peer->received(), "");
      } else {
        EXPECT_EQ(sent.bytes, 6u);
        EXPECT_TRUE(peer->stream->can_write());
        ++written;
      }
    };
    peer->send("x");
  }
  round();
  EXPECT_EQ(written, 2);
  EXPECT_EQ(a.received(), "answer");
  EXPECT_EQ(b.received(), "answer");
}

TEST_P(Together, WhatIsAddedMeanwhileComesAfterIt) {
  a.turn = [&] {
    if (a.told > 1) return;
    a.read();
    a.stream->write("answer");
  };
  a.send("x"), b.send("x");
  round();
  if (possible) {
    EXPECT_EQ(a.told, 2);
    EXPECT_EQ(a.stream->write("answer and more").bytes, 6u);
    EXPECT_TRUE(a.stream->can_write()) << "nothing else will say so";
  }
  EXPECT_EQ(a.stream->write(" and more").bytes, 9u);
  EXPECT_EQ(a.received(), "answer and more");
}

TEST_P(Together, WhatAFullSocketDoesNotTakeIsTriedWhenItDoes) {
  fill(a.socket().fd());
  a.turn = [&] {
    if (a.told == 1) a.read(), a.stream->write("answer");
  };
  a.send("x"), b.send("x");
  round(), round();
  EXPECT_EQ(a.told, 1);
  EXPECT_FALSE(a.stream->can_write());
  a.received();
  round();
  EXPECT_EQ(a.told, 2);
  EXPECT_EQ(a.stream->write("answer").bytes, 6u);
  EXPECT_EQ(a.received(), "answer");
}

TEST_P(Together, ABrokenSocketIsTold) {
  a.turn = [&] {
    if (a.told > 1) return;
    a.read();
    ::shutdown(a.socket().fd(), SHUT_WR);
    a.stream->write("answer");
  };
  a.send("x"), b.send("x");
  round();
  EXPECT_EQ(a.stream->write("answer").status, IoStatus::failed);
  EXPECT_FALSE(a.stream->can_write());
  EXPECT_EQ(a.told, possible ? 2 : 1);
}

TEST_P(Together, AnEndComesAfterTheBytes) {
  a.turn = [&] {
    a.read();
    a.stream->write("answer");
    a.stream->end_output();
    EXPECT_EQ(a.received(), "answer");
  };
  a.send("x"), b.send("x");
  round();
  char byte = 0;
  EXPECT_EQ(::recv(a.pair.theirs.get(), &byte, 1, MSG_DONTWAIT), 0);
}

TEST_P(Together, WhatWasWrittenIsKnownBeforeItIsTold) {
  a.turn = [&] {
    if (a.told > 1) return;
    a.read();
    a.stream->write("order");
    EXPECT_EQ(a.socket().has_left(), possible);
    EXPECT_EQ(a.socket().sent_untold(), 0u);
  };
  a.send("x"), b.send("x");
  round();
  EXPECT_FALSE(a.socket().has_left());
  EXPECT_EQ(a.socket().sent_untold(), possible ? 5u : 0u);
  a.stream->write("order");
  EXPECT_EQ(a.socket().sent_untold(), 0u);
}

TEST_P(Together, GiveMemoryBackAndTakeItAgain) {
  for (int times = 0; times < 3; ++times) {
    std::string of_a;
    a.turn = [&] {
      if (a.stream->can_read()) of_a = a.read();
      loop.trim(), loop.trim();  // not what is in use
      if (a.stream->write("answer").status == IoStatus::done) a.turn = nullptr;
      loop.trim(), loop.trim();
    };
    a.send("for a"), b.send("for b");
    round();
    EXPECT_EQ(of_a, "for a");
    EXPECT_EQ(a.received(), "answer");
    EXPECT_EQ(b.read(), "for b");
    loop.trim(), loop.trim();
  }
}

TEST_P(Together, NothingLeavesThatIsNotKnownToHaveLeft) {
  bool left = true;
  a.turn = [&] {
    left = a.stream->write("order").status == IoStatus::done;
    a.stream.reset();
  };
  b.turn = [&] {
    if (b.stream->can_read()) b.read();
    b.stream->write("answer");
  };
  a.send("x"), b.send("x");
  round();
  EXPECT_EQ(a.received(), left ? "order" : "");
  EXPECT_EQ(b.received(), "answer");
}

TEST_P(Together, OnlyWhatIsSmallWaitsAndOnlyWhatComesAgain) {
  const auto much = pattern(Gathering::kSmall + 1);
  a.turn = [&] {
    a.read();
    EXPECT_EQ(a.stream->write(much).bytes, much.size());
  };
  b.turn = [&] {
    b.read();
    b.socket().send_at_once();
    EXPECT_EQ(b.stream->write("once").bytes, 4u);
  };
  a.send("x"), b.send("x");
  round();
  EXPECT_EQ(a.told + b.told, 2);
  EXPECT_EQ(a.received(), much);
  EXPECT_EQ(b.received(), "once");
}

TEST_P(Together, MayBeMoreThanAreWrittenAtOnce) {
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::size_t i = 0; i < 3 * Batch::kMost; ++i) {
    auto& peer = *peers.emplace_back(std::make_unique<Peer>(loop));
    peer.turn = [&peer] {
      if (peer.stream->can_read()) peer.read();
      if (peer.told <= 2) peer.stream->write("answer");
    };
    peer.send("x");
  }
  round(), round();
  for (auto& peer : peers) EXPECT_EQ(peer->received(), "answer");
}

INSTANTIATE_TEST_SUITE_P(, Together, testing::Bool(),
                         [](const auto& the) { return std::string(the.param ? "InOneCall" : "InACallEach"); });

}  // namespace
}  // namespace fleet::proxy
