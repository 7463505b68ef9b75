// One health check of one instance.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "net/task.hpp"
#include "plan/health.hpp"
#include "probe_line.hpp"
#include "wire/messages.hpp"

namespace fleet {

struct ProbeTarget {
  HealthConfig health;
  std::uint16_t port = 0;
  std::string host;        // for the Host field
  wire::Launch launch;     // command: what to run
  std::string socket;      // in place of the port; empty: none
  std::vector<uid_t> owners = {};  // the users whose sockets may listen at the port; empty: anybody's
};

struct ProbeReport {
  plan::ProbeOutcome outcome = plan::ProbeOutcome::failed;
  std::string detail;  // why not: "answered 503", "no answer within 2000ms"
};

// http: a GET that is answered 200..399 in time. tcp: a connection. command: exit code 0. All fail where somebody else
// listens. `notify` is never probed.
// `line`: that is to be kept after it, or on which ask() was done; null: the connection is for this probe only. On one that
// was kept only an answer that passes counts: its end, or another answer, may have come before it was asked on, so a new one
// is made.
net::Task<ProbeReport> probe(net::asio::io_context& io, ProbeTarget target, std::shared_ptr<ProbeLine> line = nullptr);

// The same for http in two halves that do not wait, on a connection that was kept. False: there is none. Nothing: the
// answer is not there yet, or will not come; probe() does what is left to do.
bool ask(const ProbeTarget& target, ProbeLine& line);
std::optional<ProbeReport> answer(const ProbeTarget& target, ProbeLine& line);

}  // namespace fleet
