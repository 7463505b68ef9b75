#include "telemetry/figures.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fleet::proxy {
namespace {

using std::chrono::microseconds;

TEST(Codes, HaveACounterEachWhenRegisteredAndOneAClassOtherwise) {
  EXPECT_EQ(code_label(code_slot(200)), "200");
  EXPECT_EQ(code_label(code_slot(511)), "511");
  EXPECT_EQ(code_label(code_slot(100)), "100");
  EXPECT_EQ(code_label(code_slot(199)), "1xx");
  EXPECT_EQ(code_label(code_slot(299)), "2xx");
  EXPECT_EQ(code_label(code_slot(306)), "3xx");
  EXPECT_EQ(code_label(code_slot(499)), "4xx");
  EXPECT_EQ(code_label(code_slot(599)), "5xx");
  EXPECT_EQ(code_label(code_slot(0)), "none");
  for (const int odd : {-1, 1, 99, 600, 999, 100000}) EXPECT_EQ(code_label(code_slot(odd)), "other") << odd;
}

TEST(Codes, AreBoundedWhateverAnApplicationMakesUp) {
  std::set<std::string_view> labels;
  for (int code = -5; code < 2000; ++code) {
    ASSERT_LT(code_slot(code), kCodeSlots);
    labels.insert(code_label(code_slot(code)));
  }
  EXPECT_LE(labels.size(), kCodeSlots);
}

TEST(Latency, CountsIntoTheBucketWhoseBoundIsNotExceeded) {
  Latency latency;
  for (const int us : {0, 500, 501, 1000, 60'000'000, 60'000'001, -7}) latency.add(microseconds(us));
  const auto told = latency.told();
  ASSERT_EQ(told.counts.size(), kLatencyBuckets);
  EXPECT_EQ(told.counts[0], 3u);
  EXPECT_EQ(told.counts[1], 2u);
  EXPECT_EQ(told.counts[kLatencyBuckets - 2], 1u);
  EXPECT_EQ(told.counts.back(), 1u);
  EXPECT_EQ(told.sum_us, 500u + 501 + 1000 + 60'000'000 + 60'000'001);
}

TEST(Figures, TellWhatWasAdded) {
  Figures figures("shop", 7);
  RequestFacts request;
  request.status = 200, request.first_byte = microseconds(700), request.total = microseconds(900);
  request.bytes_in = 10, request.bytes_out = 20;
  figures.add(request);
  request.status = 503, request.own_error = "no-target", request.first_byte = microseconds(-1);
  request.was_held = true, request.held = microseconds(5000), request.retries = 2;
  figures.add(request);
  figures.upstream_failed("closed");
  const auto told = figures.told();
  EXPECT_EQ(told.app, "shop");
  EXPECT_EQ(told.release, 7u);
  EXPECT_EQ(told.codes, (std::map<std::string, std::uint64_t>{{"200", 1}, {"503", 1}}));
  EXPECT_EQ(told.own_errors, (std::map<std::string, std::uint64_t>{{"no-target", 1}}));
  EXPECT_EQ(told.upstream_failures, (std::map<std::string, std::uint64_t>{{"closed", 1}}));
  EXPECT_EQ(told.first_byte.sum_us, 700u);
  EXPECT_EQ(told.total.sum_us, 1800u);
  EXPECT_EQ(told.bytes_in, 20u);
  EXPECT_EQ(told.bytes_out, 40u);
  EXPECT_EQ(told.retries, 2u);
  EXPECT_EQ(told.held, 1u);
  EXPECT_EQ(told.held_us, 5000u);
}

TEST(FigureBook, TellsOnlyWhatHasChangedUntilAllIsAskedForAgain) {
  FigureBook book;
  const auto one = book.of("shop", 1), two = book.of("shop", 2);
  EXPECT_EQ(book.of("shop", 1), one);
  EXPECT_TRUE(book.changes().releases.empty());
  two->add({});
  ASSERT_EQ(book.changes().releases.size(), 1u);
  EXPECT_TRUE(book.changes().releases.empty());
  book.tell_all_again();
  EXPECT_EQ(book.changes().releases.size(), 2u);
}

TEST(FigureBook, TellsALastTimeWhatNobodyCountsInAnyMore) {
  FigureBook book;
  auto gone = book.of("shop", 1);
  gone->add({});
  EXPECT_FALSE(book.changes().releases.at(0).last);
  gone.reset();
  const auto told = book.changes();
  ASSERT_EQ(told.releases.size(), 1u);
  EXPECT_TRUE(told.releases[0].last);
  EXPECT_EQ(told.releases[0].codes.at("none"), 1u);
  EXPECT_TRUE(book.changes().releases.empty());
  EXPECT_TRUE(book.of("shop", 1)->told().codes.empty());
}

TEST(NamedCounts, AreBounded) {
  NamedCounts counts;
  for (int i = 0; i < 1000; ++i) counts.add("name " + std::to_string(i % 200));
  EXPECT_EQ(counts.told().size(), 64u);
  EXPECT_EQ(counts.told().at("name 3"), 5u);
}

TEST(Handshakes, AreCountedByVersionAndKind) {
  Handshakes handshakes;
  handshakes.succeeded("TLSv1.3", false);
  handshakes.succeeded("TLSv1.3", true);
  handshakes.succeeded("TLSv1.2", true);
  handshakes.failed();
  wire::Stats stats;
  handshakes.tell(stats);
  EXPECT_EQ(stats.handshakes, (std::vector<wire::HandshakeCount>{{"TLSv1.3", 1, 1}, {"TLSv1.2", 0, 1}}));
  EXPECT_EQ(stats.failed_handshakes, 1u);
}

}  // namespace
}  // namespace fleet::proxy
