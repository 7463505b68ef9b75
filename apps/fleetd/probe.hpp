// One health check of one instance.
#pragma once

#include <string>

#include "core/config.hpp"
#include "net/task.hpp"
#include "plan/health.hpp"
#include "wire/messages.hpp"

namespace fleet {

struct ProbeTarget {
  HealthConfig health;
  std::uint16_t port = 0;
  std::string host;        // for the Host field
  wire::Launch launch;     // command: what to run
  std::string socket;      // in place of the port; empty: none
};

struct ProbeReport {
  plan::ProbeOutcome outcome = plan::ProbeOutcome::failed;
  std::string detail;  // why not: "answered 503", "no answer within 2000ms"
};

// http: a GET that is answered 200..399 in time. tcp: a connection. command: exit code 0. `notify` is never probed.
net::Task<ProbeReport> probe(net::asio::io_context& io, ProbeTarget target);

}  // namespace fleet
