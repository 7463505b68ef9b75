#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/stream.hpp"
#include "one_round.hpp"
#include "os/unix_socket.hpp"

namespace fleet::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// ---- tasks

Task<int> twice(int number) { co_return 2 * number; }
Task<int> broken() {
  throw std::runtime_error("broken");
  co_return 0;
}
Task<> sleep_once(Wakeup& wakeup, int& woken) {
  co_await wakeup.sleep();
  ++woken;
}
Task<> add_up(Wakeup& wakeup, int& sum) {
  for (int i = 1; i <= 3; ++i) {
    sum += co_await twice(i);
    int ignored = 0;
    co_await sleep_once(wakeup, ignored);
  }
}
Task<> fail_deep_down() { co_await broken(); }

TEST(Task, RunsUntilItWaitsAndGoesOnWhereItIsWoken) {
  Wakeup wakeup;
  int sum = 0;
  bool done = false;
  spawn(add_up(wakeup, sum), [&](std::exception_ptr) { done = true; });
  EXPECT_EQ(sum, 2);
  wakeup.wake();
  EXPECT_EQ(sum, 6);
  wakeup.wake();
  EXPECT_EQ(sum, 12);
  EXPECT_FALSE(done);
  wakeup.wake();
  EXPECT_TRUE(done);
}

TEST(Task, CarriesWhatIsThrownToWhoeverAwaitsIt) {
  std::string thrown;
  spawn(fail_deep_down(), [&](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error& what) {
      thrown = what.what();
    }
  });
  EXPECT_EQ(thrown, "broken");
}

TEST(Wakeup, BeforeTheSleepIsNotLost) {
  Wakeup wakeup;
  int woken = 0;
  wakeup.wake();
  spawn(sleep_once(wakeup, woken), [](std::exception_ptr) {});
  EXPECT_EQ(woken, 1);
}

// ---- deadlines

Task<> count_wakes(Wakeup& wakeup, int& wakes, const bool& stop) {
  while (!stop) {
    co_await wakeup.sleep();
    ++wakes;
  }
}

class Deadlines : public testing::Test {
 protected:
  Deadlines() {
    watchdog.watch(deadline);
    spawn(count_wakes(wakeup, wakes, stop), [](std::exception_ptr) {});
  }
  ~Deadlines() override {
    stop = true;
    wakeup.wake();
  }
  // Ticks on to `at`, from where it was.
  void pass_to(Clock::duration at) {
    for (; now < start + at; now += Watchdog::kTick) watchdog.tick(now);
    watchdog.tick(now = start + at);
  }

  const Clock::time_point start = Clock::now();
  Clock::time_point now = start;
  Watchdog watchdog;
  Wakeup wakeup;
  Deadline deadline{wakeup};
  int wakes = 0;
  bool stop = false;
};

TEST_F(Deadlines, WakeWhenTheyPassAndNotBefore) {
  deadline.set(start + seconds(3));
  pass_to(milliseconds(2990));
  EXPECT_EQ(wakes, 0);
  pass_to(milliseconds(3050));
  EXPECT_EQ(wakes, 1);
}

TEST_F(Deadlines, WakeAtEveryTickForAsLongAsTheyArePassed) {
  deadline.set(start + milliseconds(100));
  pass_to(milliseconds(1000));
  EXPECT_GE(wakes, 9);
  deadline.clear();
  wakes = 0;
  pass_to(seconds(5));
  EXPECT_EQ(wakes, 0);
}

TEST_F(Deadlines, MayBeMovedBothWays) {
  deadline.set(start + seconds(60));
  deadline.set(start + seconds(2));
  deadline.set(start + seconds(4));
  pass_to(milliseconds(3900));
  EXPECT_EQ(wakes, 0);
  pass_to(milliseconds(4050));
  EXPECT_EQ(wakes, 1);
}

TEST_F(Deadlines, MayBeFartherThanTheWheelGoes) {
  deadline.set(start + minutes(60));
  pass_to(minutes(60) - milliseconds(100));
  EXPECT_EQ(wakes, 0);
  pass_to(minutes(60) + milliseconds(100));
  EXPECT_GE(wakes, 1);
}

TEST_F(Deadlines, AreSeenAfterTheMachineSlept) {
  deadline.set(start + seconds(3));
  watchdog.tick(now = start + minutes(600));
  EXPECT_EQ(wakes, 1);
}

TEST_F(Deadlines, CostNothingToWatchWhenTheyEnd) {
  EXPECT_FALSE(watchdog.idle());
  Watchdog other;
  {
    Deadline short_lived(wakeup);
    other.watch(short_lived);
    EXPECT_FALSE(other.idle());
  }
  EXPECT_TRUE(other.idle());
}

// ---- sockets

struct Ear final : ReadinessListener {
  void on_ready() override {
    ++told;
    if (then) then();
  }
  int told = 0;
  std::function<void()> then;
};

class Rounds : public testing::Test {
 protected:
  Rounds() {
    auto pair = os::unix_pair();
    theirs = std::move(pair->first);
    stream = std::make_unique<PlainStream>(SocketPtr(new Socket(loop, std::move(pair->second))));
    stream->socket().set_listener(&ear);
  }
  void round() { one_round(loop); }
  void send(std::string_view bytes) { ASSERT_EQ(::send(theirs.get(), bytes.data(), bytes.size(), 0), ssize_t(bytes.size())); }
  std::string read() {
    char bytes[100];
    const auto got = stream->read(bytes, sizeof bytes);
    return {bytes, got.bytes};
  }

  Loop loop;
  os::Fd theirs;
  std::unique_ptr<PlainStream> stream;
  Ear ear;
};

TEST_F(Rounds, TellOfBytesOnceUntilMoreCome) {
  send("one");
  round();
  EXPECT_EQ(ear.told, 1);
  EXPECT_TRUE(stream->can_read());
  round();
  EXPECT_EQ(ear.told, 1);
  EXPECT_EQ(read(), "one");
  EXPECT_FALSE(stream->can_read());
  send("two");
  round();
  EXPECT_EQ(ear.told, 2);
  EXPECT_EQ(read(), "two");
}

TEST_F(Rounds, AnEndBehindBytesIsReadAfterThem) {
  send("last");
  theirs.reset();
  round();
  EXPECT_EQ(read(), "last");
  EXPECT_TRUE(stream->can_read()) << "no further event will come";
  char byte = 0;
  EXPECT_EQ(stream->read(&byte, 1).status, IoStatus::closed);
}

TEST_F(Rounds, TellWhenAFullSocketTakesBytesAgain) {
  const std::string much(1 << 20, 'x');
  while (stream->write(much).status == IoStatus::done) {
  }
  EXPECT_FALSE(stream->can_write());
  std::vector<char> sink(1 << 20);
  while (::recv(theirs.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0) {
  }
  round();
  EXPECT_TRUE(stream->can_write());
  EXPECT_GE(ear.told, 1);
}

TEST_F(Rounds, WhatWasClosedInARoundHearsNoMoreOfIt) {
  auto pair = os::unix_pair();
  Ear other_ear;
  auto other = std::make_unique<PlainStream>(SocketPtr(new Socket(loop, std::move(pair->second))));
  other->socket().set_listener(&other_ear);
  ear.then = [&] { other.reset(); };
  other_ear.then = [&] { stream.reset(); };
  send("x");
  ASSERT_EQ(::send(pair->first.get(), "y", 1, 0), 1);
  round();
  EXPECT_EQ(ear.told + other_ear.told, 1);
}

TEST_F(Rounds, ListenersAreToldUntilNothingIsLeftAndNotWhileMuted) {
  auto pair = os::unix_pair();
  SocketPtr listener(new Socket(loop, std::move(pair->second), Socket::Kind::listener));
  Ear listening;
  listener->set_listener(&listening);
  ASSERT_EQ(::send(pair->first.get(), "y", 1, 0), 1);
  round(), round();
  EXPECT_EQ(listening.told, 2);
  listener->mute(true);
  round();
  EXPECT_EQ(listening.told, 2);
  listener->mute(false);
  round();
  EXPECT_EQ(listening.told, 3);
}

TEST_F(Rounds, GiveUpADescriptorWithoutClosingIt) {
  auto pair = os::unix_pair();
  SocketPtr listener(new Socket(loop, std::move(pair->second), Socket::Kind::listener));
  Ear listening;
  listener->set_listener(&listening);
  const os::Fd kept = listener->release();
  listener.reset();
  ASSERT_EQ(::send(pair->first.get(), "y", 1, 0), 1);
  round();
  EXPECT_EQ(listening.told, 0);
  char byte = 0;
  EXPECT_EQ(::recv(kept.get(), &byte, 1, MSG_DONTWAIT), 1);
}

TEST_F(Rounds, EndWithWhatWasDeferredOnce) {
  struct Job final : Deferred {
    void run_deferred() override { ++runs; }
    int runs = 0;
  } job;
  ear.then = [&] { loop.at_end_of_round(job), loop.at_end_of_round(job); };
  {
    Job short_lived;
    loop.at_end_of_round(short_lived);
  }
  send("x");
  round();
  EXPECT_EQ(job.runs, 1);
  round();
  EXPECT_EQ(job.runs, 1);
}

TEST_F(Rounds, TakeTheTimeOnce) {
  send("x");
  Clock::time_point first, second;
  ear.then = [&] {
    first = Clock::now();
    for (const auto from = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() == from;) {
    }
    second = Clock::now();
  };
  round();
  EXPECT_EQ(first, second);
  round();
  EXPECT_GT(Clock::now(), first);
}

}  // namespace
}  // namespace fleet::proxy
