#include "blame.hpp"

#include <nlohmann/json.hpp>

namespace fleet::soak {
namespace {

constexpr std::int64_t kNoticed = 3000;  // ms after a process has gone: by now whoever waited for it has been told
constexpr std::int64_t kLateNote = 100;  // ms that a client takes to note a connection which the worker has accepted

bool strikes_worker(const Fault& fault) {
  return fault.kind == FaultKind::kill_worker || fault.kind == FaultKind::stop_worker;
}

bool took_the_connection(const Fault& fault, const test::Incident& incident) {
  const bool was_killed = fault.kind == FaultKind::kill_worker;  // then a client may notice when it will
  return fault.connections.contains(incident.port) && incident.connected_at <= fault.counted_at + kLateNote &&
         incident.failed_at >= fault.at &&
         (was_killed || incident.failed_at <= fault.until + kNoticed) &&
         incident.cause != name(test::Cause::connect) && incident.cause != name(test::Cause::malformed) &&
         incident.cause != name(test::Cause::status) && incident.cause != name(test::Cause::body);
}

bool took_the_request(const Fault& fault, const test::Incident& incident, const LoggedRequest& logged) {
  if (fault.kind == FaultKind::kill_shim) return false;  // its program serves on
  if (fault.instance.empty() || logged.instance != fault.instance) return false;
  if (incident.failed_at < fault.at || incident.begun_at > fault.until + kNoticed) return false;
  const bool had_begun = incident.cause == name(test::Cause::cut);
  const bool said_so = incident.cause == name(test::Cause::status) && logged.status == 502;
  return had_begun || (said_so && incident.what.starts_with("POST"));
}

}  // namespace

void read_access_log(std::string_view text, const std::set<std::string>& wanted,
                     std::map<std::string, LoggedRequest>& found) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    at = end + 1;
    auto begin = line.find("?n=");
    if (begin == std::string_view::npos) begin = line.find("&n=");
    if (begin == std::string_view::npos) continue;
    const auto mark = std::string(line.substr(begin + 3, line.find('"', begin) - begin - 3));
    if (!wanted.contains(mark)) continue;
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    if (!entry.is_object()) continue;
    found[mark] = {entry.value("target", ""), entry.value("error", ""), entry.value("status", 0)};
  }
}

std::string excuse(const test::Incident& incident, const LoggedRequest* logged, const std::vector<Fault>& faults) {
  for (const auto& fault : faults) {
    const auto did = std::string(name(fault.kind));
    if (strikes_worker(fault) && took_the_connection(fault, incident)) return did + ": a connection of its own";
    if (logged != nullptr && took_the_request(fault, incident, *logged)) return did + ": a request that it was answering";
  }
  return {};
}

}  // namespace fleet::soak
