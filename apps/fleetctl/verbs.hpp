// What each verb does: asks the API, and tells.
#pragma once

#include <optional>
#include <string>

#include "client.hpp"
#include "exit_code.hpp"
#include "options.hpp"
#include "terminal.hpp"

namespace fleet::ctl {

// What a verb works with. `waits_for` is set while it waits for a deployment, so that whoever interrupts it can say so.
struct Session {
  Options options;
  Client client;
  Terminal& terminal;
  struct Waiting {
    std::string app;
    api::DeploymentId id = 0;
  };
  std::optional<Waiting> waits_for;
  bool asked = false;  // for a change, and not answered yet: it may be under way
};

net::Task<Exit> run_verb(Session& session);

Exit check_config(const std::string& file, bool as_json, Terminal& terminal);

}  // namespace fleet::ctl
