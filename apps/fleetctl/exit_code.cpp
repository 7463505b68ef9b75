#include "exit_code.hpp"

namespace fleet::ctl {

const std::array<ExitMeaning, 11> kExitMeanings{{
    {Exit::done, "done, or already current"},
    {Exit::internal, "internal error"},
    {Exit::usage, "wrong usage or configuration, nothing of that name, or not allowed"},
    {Exit::busy, "another deploy of this app runs"},
    {Exit::unhealthy, "the candidate was not healthy, or the deploy was aborted; the old release was kept"},
    {Exit::fetch, "the artifact could not be fetched or verified"},
    {Exit::rolled_back, "switched, and then rolled back"},
    {Exit::timeout, "timeout reached; the deploy goes on"},
    {Exit::unreachable, "fleetd does not answer"},
    {Exit::would_change, "plan: a deploy would change something"},
    {Exit::detached, "interrupted; what was asked for goes on"},
}};

Exit exit_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::internal: return Exit::internal;
    case ErrorKind::usage:
    case ErrorKind::not_found:
    case ErrorKind::denied: return Exit::usage;
    case ErrorKind::busy: return Exit::busy;
    case ErrorKind::unhealthy:
    case ErrorKind::aborted: return Exit::unhealthy;
    case ErrorKind::fetch:
    case ErrorKind::verify: return Exit::fetch;
    case ErrorKind::unreachable: return Exit::unreachable;
  }
  return Exit::internal;
}

Exit exit_for(const api::DeploymentView& ended) {
  if (ended.outcome == api::Outcome::rolled_back) return Exit::rolled_back;
  switch (ended.state) {
    case api::DeploymentState::running: return Exit::timeout;
    case api::DeploymentState::succeeded: return Exit::done;
    case api::DeploymentState::aborted: return exit_for(ErrorKind::aborted);
    case api::DeploymentState::failed: break;
  }
  // fleetd does answer; what it could not reach is another part of fleet.
  if (!ended.error || ended.error->kind == ErrorKind::unreachable) return Exit::internal;
  return exit_for(ended.error->kind);
}

}  // namespace fleet::ctl
