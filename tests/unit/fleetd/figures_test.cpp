#include "figures.hpp"

#include <gtest/gtest.h>

namespace fleet {
namespace {

wire::ReleaseFigures of_release(std::uint64_t release, std::uint64_t requests) {
  wire::ReleaseFigures figures;
  figures.app = "shop";
  figures.release = release;
  figures.codes["200"] = requests;
  figures.own_errors["no-target"] = 1;
  figures.total = {{requests, 0, 1}, requests * 10};
  figures.bytes_out = requests * 100;
  return figures;
}

wire::Figures message(std::vector<wire::ReleaseFigures> releases) {
  wire::Figures told;
  told.releases = std::move(releases);
  return told;
}

FigureSums sum_of(const FigureSums& past, const std::vector<FigureSums>& live) {
  auto sum = past;
  for (const auto& worker : live) add(sum, worker);
  return sum;
}

TEST(Figures, AreSummedOverWorkersThatComeAndGo) {
  FigureSums past, first, second;
  take(first, past, message({of_release(1, 10)}));
  take(second, past, message({of_release(1, 5), of_release(2, 3)}));
  EXPECT_EQ(sum_of(past, {first, second}).releases.at("shop/1").codes.at("200"), 15u);

  add(past, std::exchange(first, {}));  // it ended
  EXPECT_EQ(sum_of(past, {second}).releases.at("shop/1").codes.at("200"), 15u);

  FigureSums third;  // its successor counts from 0
  take(third, past, message({of_release(1, 1)}));
  const auto sum = sum_of(past, {second, third});
  EXPECT_EQ(sum.releases.at("shop/1").codes.at("200"), 16u);
  EXPECT_EQ(sum.releases.at("shop/1").own_errors.at("no-target"), 3u);
  EXPECT_EQ(sum.releases.at("shop/1").total.counts, (std::vector<std::uint64_t>{16, 0, 3}));
  EXPECT_EQ(sum.releases.at("shop/1").total.sum_us, 160u);
  EXPECT_EQ(sum.releases.at("shop/1").bytes_out, 1600u);
  EXPECT_EQ(sum.releases.at("shop/2").codes.at("200"), 3u);
}

TEST(Figures, AreReplacedByWhatTheSameWorkerTellsNext) {
  FigureSums past, worker;
  take(worker, past, message({of_release(1, 10)}));
  take(worker, past, message({of_release(1, 12)}));
  EXPECT_EQ(sum_of(past, {worker}).releases.at("shop/1").codes.at("200"), 12u);
}

TEST(Figures, OfAReleaseThatLeavesAndComesBackGoOn) {
  FigureSums past, worker;
  auto leaving = of_release(1, 10);
  leaving.last = true;
  take(worker, past, message({leaving}));
  take(worker, past, message({of_release(1, 2)}));
  EXPECT_EQ(sum_of(past, {worker}).releases.at("shop/1").codes.at("200"), 12u);
}

TEST(Figures, OfConnectionsAndHandshakesAreSummedToo) {
  wire::Stats told;
  told.bad_proxy_headers = 4, told.over_address_limit = 5, told.evicted = 6, told.slow_clients = 7, told.loops = 8;
  told.accepted = 7, told.turned_away = 1, told.log_lines_lost = 2, told.failed_handshakes = 3;
  told.handshakes = {{"TLSv1.3", 4, 5}};
  FigureSums past, worker;
  take(worker, told);
  add(past, worker);
  told.handshakes = {{"TLSv1.2", 1, 0}, {"TLSv1.3", 1, 1}};
  take(worker, told);
  const auto sum = sum_of(past, {worker});
  EXPECT_EQ(sum.accepted, 14u);
  EXPECT_EQ(sum.turned_away, 2u);
  EXPECT_EQ(sum.log_lines_lost, 4u);
  EXPECT_EQ(sum.failed_handshakes, 6u);
  EXPECT_EQ(sum.bad_proxy_headers, 8u);
  EXPECT_EQ(sum.over_address_limit, 10u);
  EXPECT_EQ(sum.evicted, 12u);
  EXPECT_EQ(sum.slow_clients, 14u);
  EXPECT_EQ(sum.loops, 16u);
  ASSERT_EQ(sum.handshakes.size(), 2u);
  EXPECT_EQ(sum.handshakes[0], (wire::HandshakeCount{"TLSv1.3", 5, 6}));
  EXPECT_EQ(sum.handshakes[1], (wire::HandshakeCount{"TLSv1.2", 1, 0}));
}

}  // namespace
}  // namespace fleet
