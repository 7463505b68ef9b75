// Whose fault a failed request was: what the clients know of it, the access logs, and the journal of faults, put together.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.hpp"
#include "plan.hpp"
#include "support/load.hpp"

namespace fleet::soak {

// A fault that was injected. Times are ms since the epoch.
struct Fault {
  FaultKind kind = FaultKind::kill_fleetd;
  std::int64_t at = 0, until = 0;
  std::int64_t pid = 0;
  std::string instance = {};                   // its id, where it struck one
  std::set<std::uint16_t> connections = {};    // the clients' ports of those that the worker it struck held
  std::int64_t counted_at = 0;                 // when these were
  std::optional<std::int64_t> recovered_in{};  // ms, from `until`; nothing: not in time
};

// What an access log says of a request.
struct LoggedRequest {
  std::string instance, error;
  int status = 0;
};
// By mark, of those that are wanted. Lines that are none are passed over.
void read_access_log(std::string_view text, const std::set<std::string>& wanted, std::map<std::string, LoggedRequest>& found);

// Why the request may have failed; empty: it may not.
//  - A worker that was killed or stopped takes with it the connections that it had accepted, and no others.
//  - An instance that was killed or stopped takes with it the POSTs that it had been sent, and answers that it had begun
//    (PROXY-RULES R2, R3, R5). A GET that it had not begun to answer does not fail.
std::string excuse(const test::Incident& incident, const LoggedRequest* logged, const std::vector<Fault>& faults);

}  // namespace fleet::soak
