#include "metrics.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/exposition/exposition.hpp"

namespace fleet {
namespace {

using api::MetricsFormat;
using test::read_exposition;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A fleet of which every metric has something to say.
MetricFacts some_facts() {
  MetricFacts facts;
  facts.ready = true;
  facts.status.version = "1.2.3";
  facts.status.generation = 9;
  auto& app = facts.status.apps.emplace_back();
  app.name = "shop", app.release = 7, app.state = api::AppState::serving, app.wanted = 2;
  for (const auto state : {api::InstanceState::ready, api::InstanceState::ready, api::InstanceState::draining}) {
    app.instances.emplace_back().state = state;
  }
  facts.status.workers.resize(2);
  facts.status.workers[0].state = api::WorkerState::accepting;
  auto& figures = facts.figures.releases[figures_key("shop", 7)];
  figures.app = "shop", figures.release = 7;
  figures.codes = {{"200", 12}, {"404", 3}};
  figures.own_errors = {{"upstream-closed", 1}};
  figures.upstream_failures = {{"closed", 2}};
  figures.first_byte.counts = {5, 0, 10};
  figures.first_byte.sum_us = 25'500;
  figures.total.counts.assign(17, 1);
  figures.bytes_in = 5, figures.bytes_out = 6, figures.retries = 1, figures.held = 1, figures.held_us = 2'500'000;
  auto& unrouted = facts.figures.releases[figures_key("", 0)];
  unrouted.codes = {{"404", 4}};
  facts.figures.handshakes = {{"TLSv1.3", 3, 4}};
  facts.figures.bad_proxy_headers = 21, facts.figures.over_address_limit = 22, facts.figures.evicted = 23;
  facts.figures.slow_clients = 24, facts.figures.loops = 25;
  facts.in_flight[figures_key("shop", 7)] = 2;
  facts.counts["shop"].deployments["changed"] = 6;
  facts.certificates = {{"/etc/fleet/\"odd\\file\n", "shop.test", 1795390270}};
  facts.workers = {{0, 1, 9}, {1, 0, 8}};
  facts.process.cpu_seconds = 0.25;
  return facts;
}

TEST(Metrics, AreReadByAStrictReaderInBothFormats) {
  const auto facts = some_facts();
  const auto plain = read_exposition(expose(facts, MetricsFormat::prometheus));
  EXPECT_THAT(plain.faults, IsEmpty());
  const auto open = read_exposition(expose(facts, MetricsFormat::openmetrics), true);
  EXPECT_THAT(open.faults, IsEmpty());
  EXPECT_EQ(plain.samples, open.samples);
  EXPECT_EQ(plain.helps.size(), metric_reference().size());
  EXPECT_THAT(read_exposition(expose({}, MetricsFormat::prometheus)).faults, IsEmpty());
}

TEST(Metrics, SayWhatWasCounted) {
  const auto seen = read_exposition(expose(some_facts(), MetricsFormat::prometheus));
  EXPECT_EQ(seen.at(R"(fleet_requests_total{app="shop",release="7",code="200"})"), 12);
  EXPECT_EQ(seen.at(R"(fleet_requests_total{app="",release="",code="404"})"), 4);
  EXPECT_EQ(seen.sum("fleet_requests_total", {"app=\"shop\""}), 15);
  EXPECT_EQ(seen.at(R"(fleet_request_first_byte_seconds_bucket{app="shop",release="7",le="0.0005"})"), 5);
  EXPECT_EQ(seen.at(R"(fleet_request_first_byte_seconds_bucket{app="shop",release="7",le="0.001"})"), 5);
  EXPECT_EQ(seen.at(R"(fleet_request_first_byte_seconds_bucket{app="shop",release="7",le="0.0025"})"), 15);
  EXPECT_EQ(seen.at(R"(fleet_request_first_byte_seconds_sum{app="shop",release="7"})"), 0.0255);
  EXPECT_EQ(seen.at(R"(fleet_request_duration_seconds_count{app="shop",release="7"})"), 17);
  EXPECT_EQ(seen.at(R"(fleet_requests_in_flight{app="shop",release="7"})"), 2);
  EXPECT_EQ(seen.at(R"(fleet_hold_seconds_total{app="shop",release="7"})"), 2.5);
  EXPECT_EQ(seen.at(R"(fleet_own_errors_total{app="shop",release="7",reason="upstream-closed"})"), 1);
  EXPECT_EQ(seen.at(R"(fleet_tls_handshakes_total{version="TLSv1.3",resumed="true"})"), 4);
  EXPECT_EQ(seen.at("fleet_proxy_headers_refused_total"), 21);
  EXPECT_EQ(seen.at("fleet_connections_over_address_limit_total"), 22);
  EXPECT_EQ(seen.at("fleet_connections_evicted_total"), 23);
  EXPECT_EQ(seen.at("fleet_slow_clients_total"), 24);
  EXPECT_EQ(seen.at("fleet_loops_refused_total"), 25);
  EXPECT_EQ(seen.at(R"(fleet_app_instances{app="shop",state="ready"})"), 2);
  EXPECT_EQ(seen.at(R"(fleet_app_instances{app="shop",state="gone"})"), 0);
  EXPECT_EQ(seen.at(R"(fleet_deployments_total{app="shop",outcome="changed"})"), 6);
  EXPECT_EQ(seen.at(R"(fleet_worker_table_generation{slot="1"})"), 8);
  EXPECT_EQ(seen.at(R"(fleet_certificate_expiry_seconds{file="/etc/fleet/\"odd\\file\n",name="shop.test"})"),
            1795390270);
}

TEST(Metrics, HaveTheLabelsThatTheReferenceNames) {
  const auto seen = read_exposition(expose(some_facts(), MetricsFormat::prometheus));
  for (const auto& metric : metric_reference()) {
    std::size_t found = 0;
    for (const auto& [key, value] : seen.samples) {
      const auto name = key.substr(0, key.find('{'));
      const bool own = name == metric.name || (metric.type == "histogram" && name.starts_with(metric.name));
      if (!own) continue;
      ++found;
      std::string labels;
      for (std::size_t at = key.find('{'); at != key.npos && at + 1 < key.size(); at = key.find("\",", at)) {
        at += key[at] == '{' ? 1 : 2;
        const auto label = key.substr(at, key.find('=', at) - at);
        if (label != "le") labels += (labels.empty() ? "" : ", ") + label;
      }
      EXPECT_EQ(labels, metric.labels) << key;
    }
    EXPECT_GT(found, 0u) << metric.name;
  }
}

// ---- the reader itself

TEST(Exposition, ReaderFindsFaults) {
  const std::string head = "# HELP a_total x\n# TYPE a_total counter\n";
  EXPECT_THAT(read_exposition(head + "a_total 1\n").faults, IsEmpty());
  for (const auto* wrong :
       {"a_total 1", "a_total  1\n", "a_total x\n", "a_total -1\n", "b_total 1\n", "a_total{} 1\n", "a_total{b=\"c} 1\n",
        "a_total{b=\"c\\x\"} 1\n", "a_total{b=\"c\",b=\"d\"} 1\n", "a_total 1\na_total 2\n", "a_total 1\n# EOF\n",
        "a_total{0=\"c\"} 1\n", "# nonsense\n", "\n"}) {
    EXPECT_THAT(read_exposition(head + wrong).faults, Not(IsEmpty())) << wrong;
  }
  for (const auto* wrong : {"# HELP a x\n# TYPE a counter\na 1\n", "# TYPE a gauge\na 1\n", "# HELP a_total x\na_total 1\n",
                            "# HELP a_total x\n# TYPE a_total gauge\n", "# HELP a_ms x\n# TYPE a_ms gauge\n",
                            "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\n"
                            "h_count 1\n",
                            "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"}) {
    EXPECT_THAT(read_exposition(wrong).faults, Not(IsEmpty())) << wrong;
  }
}

// ---- the man page

const std::string kPage = std::string(FLEET_SOURCE_DIR) + "/deploy/man/fleet-metrics.7";
const std::string kBegin = ".\\\" begin: generated from apps/fleetd/metrics.cpp\n", kEnd = ".\\\" end\n";

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '-' ? "\\-" : c == '\\' ? "\\e" : std::string(1, c);
  return out;
}

std::string generated() {
  std::string page;
  for (const auto& metric : metric_reference()) {
    page += ".TP\n.BR " + roff(metric.name) + " \" (" + std::string(metric.type) + ")\"\n" + roff(metric.meaning) + "\n";
    if (!metric.labels.empty()) page += "Labels: " + roff(metric.labels) + ".\n";
  }
  return page;
}

TEST(Metrics, AreTheOnesThatTheManPageLists) {
  std::stringstream read;
  read << std::ifstream(kPage, std::ios::binary).rdbuf();
  auto page = read.str();
  const auto begin = page.find(kBegin), end = page.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const auto from = begin + kBegin.size();
  if (std::getenv("FLEET_UPDATE_GOLDEN") != nullptr) {
    page.replace(from, end - from, generated());
    std::ofstream(kPage, std::ios::binary) << page;
    return;
  }
  EXPECT_EQ(page.substr(from, end - from), generated()) << "run unit-fleetd with FLEET_UPDATE_GOLDEN=1";
}

}  // namespace
}  // namespace fleet
