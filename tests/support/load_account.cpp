#include "support/load_account.hpp"

#include <algorithm>
#include <thread>

namespace fleet::test {
namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr std::size_t kMaxIncidents = 1000;

void merge(std::vector<LoadFailure>& all, const LoadFailure& one) {
  for (auto& known : all) {
    if (known.cause != one.cause || known.what != one.what) continue;
    if (one.first_at < known.first_at) known.example = one.example;
    known.first_at = std::min(known.first_at, one.first_at);
    known.count += one.count;
    return;
  }
  all.push_back(one);
}

Expected<std::string> judged(const Errand& errand, const Expected<Response>& response) {
  if (!response) return std::unexpected(response.error());
  if (errand.kind == Kind::tunnel && response->status == 101) return std::string();
  if (response->status == 200) return version_of(response->body, errand.id);
  std::string text = std::to_string(response->status);
  for (const auto& [field, value] : response->headers) text += "; " + field + ": " + value;
  return std::unexpected(Failure{Cause::status, text + "; " + response->body.substr(0, 200)});
}

}  // namespace

Via Via::now(std::uint16_t own_port) { return {own_port, now_ms()}; }

void Run::wait_until(LoadClock::time_point then) const {
  while (!over() && LoadClock::now() < then) {
    std::this_thread::sleep_for(std::min<LoadClock::duration>(then - LoadClock::now(), milliseconds(50)));
  }
}

void Run::answered() {
  if (over()) return;  // nothing follows any more
  const auto now = std::chrono::nanoseconds(LoadClock::now() - begun).count();
  const auto before = last_answer.exchange(now);
  const auto gap = before == 0 ? 0 : now - before;
  auto longest = longest_gap.load();
  while (gap > longest && !longest_gap.compare_exchange_weak(longest, gap)) continue;
}

Errand Account::next() {
  const auto& options = run_.options;
  Errand errand;
  errand.begun_ms = now_ms();
  auto dice = random_() % 100;
  const auto falls_on = [&](unsigned percent) {
    const bool so = dice < percent;
    dice -= so ? 0 : percent;
    return so;
  };
  const auto time = "?ms=" + std::to_string(options.slow.count());
  if (falls_on(options.post_percent)) {
    errand.kind = Kind::post;
    errand.target = "/tx";
    errand.id = options.run + "-" + std::to_string(number_) + "-" + std::to_string(++posts_);
    errand.body = "id=" + errand.id + "&pad=" + std::string(random_() % 2000, 'x');
  } else if (falls_on(options.slow_percent)) {
    errand.kind = Kind::slow;
    errand.target = "/slow" + time;
  } else if (falls_on(options.stream_percent)) {
    errand.kind = Kind::stream;
    errand.target = "/stream" + time;
  }
  mark(errand);
  ++run_.requests;
  return errand;
}

Errand Account::next_tunnel() {
  Errand errand;
  errand.begun_ms = now_ms();
  errand.kind = Kind::tunnel;
  errand.target = "/socket";
  mark(errand);
  ++tunnels_;
  ++run_.requests;
  return errand;
}

void Account::mark(Errand& errand) {
  if (!run_.options.mark) return;
  errand.mark = run_.options.run + "-" + std::to_string(number_) + "." + std::to_string(++errands_);
  errand.target += (errand.target.find('?') == std::string::npos ? "?n=" : "&n=") + errand.mark;
}

void Account::done(const Errand& errand, const Expected<Response>& response, bool sent, const Via& via) {
  const auto version = judged(errand, response);
  if (!version) return failed(errand, version.error(), sent, via);
  if (errand.kind == Kind::tunnel) return;
  run_.answered();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(LoadClock::now() - errand.begun);
  if (errand.quick()) latencies_.push_back(static_cast<std::uint32_t>(took.count()));
  if (errand.kind == Kind::post) transactions_.acknowledged.push_back(errand.id);
  auto& seen = versions_[*version];
  if (seen.answers++ == 0) seen.first_answer = now_ms();
  seen.last_start = std::max(seen.last_start, errand.begun_ms);
}

void Account::failed(const Errand& errand, const Failure& failure, bool sent, const Via& via) {
  ++run_.failed;
  if (sent && errand.kind == Kind::post) transactions_.uncertain.push_back(errand.id);
  merge(failures_, {std::string(name(failure.cause)), std::string(name(errand.kind)),
                    failure.text + (errand.id.empty() ? "" : " (" + errand.id + ")"), 1, errand.begun_ms});
  if (incidents_.size() >= kMaxIncidents) return;
  incidents_.push_back({std::string(name(errand.kind)), std::string(name(failure.cause)), failure.text, errand.mark,
                        failure.port != 0 ? failure.port : via.port, via.connected_at, errand.begun_ms, now_ms()});
}

void Account::add_to(LoadReport& report, Transactions& transactions, std::vector<std::uint32_t>& latencies) const {
  report.posts += posts_;
  report.connections += connections_;
  report.sent_again += sent_again_;
  report.tunnels += tunnels_;
  report.echoes += echoes_;
  report.acknowledged += transactions_.acknowledged.size();
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(latencies, latencies_);
  append(report.incidents, incidents_);
  append(transactions.acknowledged, transactions_.acknowledged);
  append(transactions.uncertain, transactions_.uncertain);
  for (const auto& [version, seen] : versions_) {
    auto& all = report.versions[version];
    all.first_answer = all.answers == 0 ? seen.first_answer : std::min(all.first_answer, seen.first_answer);
    all.last_start = std::max(all.last_start, seen.last_start);
    all.answers += seen.answers;
  }
  for (const auto& mine : failures_) merge(report.failures, mine);
}

}  // namespace fleet::test
