#include "support/traffic.hpp"

#include <signal.h>

#include <sstream>
#include <stdexcept>

#include "core/json.hpp"

namespace fleet::test {
namespace {

std::string url_of(const Peer& peer) { return (peer.tls ? "https://" : "http://") + peer.authority(); }

std::string unique_base(const Fleet& fleet) {
  static unsigned number = 0;
  return fleet.root() + "/load" + std::to_string(number++);
}

std::vector<std::string> command(const Fleet& fleet, const TrafficSetup& setup, const std::string& base) {
  std::vector<std::string> argv = {program_path("fleet-load"), "run"};
  if (setup.urls.empty()) {
    argv.push_back(url_of(fleet.http()));
    argv.push_back(url_of(fleet.https()));
  }
  argv.insert(argv.end(), setup.urls.begin(), setup.urls.end());
  const auto option = [&](const char* name, const std::string& value) { argv.insert(argv.end(), {name, value}); };
  option("--keep-alive", std::to_string(setup.keep_alive));
  option("--per-request", std::to_string(setup.per_request));
  option("--http2", std::to_string(setup.http2));
  option("--rate", std::to_string(setup.rate));
  option("--post-percent", std::to_string(setup.post_percent));
  option("--slow-percent", std::to_string(setup.slow_percent));
  option("--stream-percent", std::to_string(setup.stream_percent));
  option("--slow-ms", std::to_string(setup.slow_ms));
  option("--websockets", std::to_string(setup.websockets));
  if (setup.mark) argv.push_back("--mark");
  if (!setup.connect_to.empty()) option("--connect-to", setup.connect_to);
  option("--run", base.substr(base.rfind('/') + 1));
  option("--ids", base + ".ids");
  option("--report", base + ".json");
  option("--progress", base + ".progress");
  return argv;
}

}  // namespace

Traffic::Traffic(const Fleet& fleet, TrafficSetup setup)
    : base_(unique_base(fleet)),
      ledgers_(fleet.root()),
      program_(command(fleet, setup, base_), {}, base_ + ".out", base_ + ".out") {}

LoadProgress Traffic::progress() const {
  std::istringstream in(read_whole(base_ + ".progress"));
  LoadProgress progress;
  in >> progress.requests >> progress.failed;
  return progress;
}

void Traffic::flow(std::uint64_t requests, milliseconds limit) const {
  const auto goal = progress().requests + requests;
  if (!eventually(limit, [&] { return progress().requests >= goal; })) {
    throw std::runtime_error("the load does not flow: " + read_whole(base_ + ".out"));
  }
}

Verdict Traffic::stop(std::uint64_t requests, milliseconds limit) {
  program_.signal(SIGTERM);
  const auto code = program_.wait(limit);
  Verdict verdict;
  const auto text = read_whole(base_ + ".json");
  const auto said = json::read(text.empty() ? json::Json::object() : json::Json::parse(text), verdict.load);
  Transactions transactions;
  if (!code || !said || !read_transactions(base_ + ".ids", transactions)) {
    verdict.text = "the load did not end well: " + read_whole(base_ + ".out");
    return verdict;
  }
  verdict.ledger = check_ledgers(transactions, ledgers_, base_.substr(base_.rfind('/') + 1) + "-");
  std::ostringstream wrong;
  if (verdict.load.failed > 0) wrong << "failed requests:\n" << read_whole(base_ + ".out");
  if (verdict.load.requests < requests) wrong << "only " << verdict.load.requests << " requests were made\n";
  if (!verdict.ledger.exact()) {
    wrong << "the ledgers are not exact: " << verdict.ledger.acknowledged << " acknowledged, " << verdict.ledger.lost
          << " lost, " << verdict.ledger.twice << " twice, " << verdict.ledger.foreign << " never sent\n";
    for (const auto& example : verdict.ledger.examples) wrong << "  " << example << '\n';
  }
  verdict.text = wrong.str();
  return verdict;
}

}  // namespace fleet::test
