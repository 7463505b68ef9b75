#include "expect.hpp"

#include <cstdlib>

namespace fleet::test {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

namespace {

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::max(1, std::atoi(text)));
}

}  // namespace

unsigned every_or(unsigned otherwise) { return from_environment("FLEET_EVERY", otherwise); }
unsigned times(unsigned otherwise) { return otherwise * from_environment("FLEET_TIMES", 1); }

AssertionResult ended(const Ran& ran, int code) {
  if (ran.code == code) return AssertionSuccess();
  return AssertionFailure() << "exit code " << ran.code << ", not " << code << "\nstdout: " << ran.out
                            << "\nstderr: " << ran.err;
}

std::string version_at(const Peer& peer) {
  const auto response = fetch(peer, "GET", "/", {"Connection: close"});
  if (!response) return std::string(name(response.error().cause)) + ": " + response.error().text;
  if (response->status != 200) return "status " + std::to_string(response->status);
  const auto version = version_of(response->body);
  return version ? *version : version.error().text;
}

AssertionResult serves(const Fleet& fleet, const std::string& version) {
  for (const auto& peer : {fleet.http(), fleet.https()}) {
    const auto seen = version_at(peer);
    if (seen != version)
      return AssertionFailure() << (peer.tls ? "https" : "http") << " shows " << seen << ", not " << version;
  }
  return AssertionSuccess();
}

AssertionResult settled(const Fleet& fleet, unsigned instances, const std::string& app) {
  Json seen;
  const bool right = eventually(milliseconds(5000), [&] {
    seen = fleet.app(app);
    if (!seen.at("deployment").is_null() || seen.at("instances").size() != instances) return false;
    for (const auto& instance : seen.at("instances")) {
      if (instance.at("state") != "ready" || instance.at("release") != seen.at("release")) return false;
    }
    return true;
  });
  if (!right) return AssertionFailure() << "not settled: " << seen.dump(2);
  return AssertionSuccess();
}

AssertionResult under_way(const Fleet& fleet, int requests, const std::string& app) {
  int in_flight = 0;
  const bool right = eventually([&] {
    in_flight = 0;
    const auto seen = fleet.app(app);
    for (const auto& instance : seen.at("instances")) in_flight += instance.at("in_flight").get<int>();
    return in_flight == requests;
  });
  if (!right) return AssertionFailure() << in_flight << " requests are under way, not " << requests;
  return AssertionSuccess();
}

AssertionResult lossless(const Verdict& verdict, const std::vector<std::string>& versions) {
  if (!verdict.text.empty()) return AssertionFailure() << verdict.text;
  for (const auto& version : versions) {
    if (!verdict.load.versions.contains(version)) return AssertionFailure() << "no answer of version " << version;
  }
  return AssertionSuccess();
}

std::size_t servers_running() {
  std::size_t count = 0;
  for (const auto pid : strays()) count += command_line(pid).starts_with("./bin/server ") ? 1 : 0;
  return count;
}

}  // namespace fleet::test
