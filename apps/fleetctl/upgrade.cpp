#include "upgrade.hpp"

#include "ask.hpp"
#include "text.hpp"

namespace fleet::ctl {
namespace {

using std::chrono::steady_clock;

constexpr milliseconds kBetweenLooks{50};
constexpr milliseconds kGivesWay{15'000};  // it waits a second at most for answers under way
constexpr milliseconds kComesBack{60'000};

net::Task<> pause(Session& session) {
  net::Timer moment(session.client.context(), kBetweenLooks);
  co_await moment.async_wait(net::use_result);
}

// Until a fleetd that began later answers, and then until what is to run does.
net::Task<Result<api::StatusView>> wait_for_successor(Session& session, std::string former_start) {
  const auto since = steady_clock::now();
  Result<api::StatusView> status = fail("");
  for (;;) {
    status = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
    if (status && status->started_at != former_start) break;
    if (status && steady_clock::now() - since > kGivesWay) {
      co_return fail("fleetd has not given way and goes on as it was (its log says why)");
    }
    if (!status && status.error().kind != ErrorKind::unreachable) co_return status;
    if (!status && steady_clock::now() - since > kComesBack) {
      co_return fail(ErrorKind::unreachable, "the new fleetd does not answer (its log says why); workers and applications go on serving");
    }
    co_await pause(session);
  }
  for (;;) {
    auto health = co_await session.client.call("GET", "/healthz");
    if (health && health->status == 200) co_return status;
    co_await pause(session);
  }
}

}  // namespace

net::Task<Result<Exit>> upgrade(Session& session) {
  const auto& options = session.options;
  auto before = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
  if (!before) co_return std::unexpected(before.error());
  api::UpgradeBody body;
  body.program = options.binary;
  auto accepted = co_await ask_for<api::UpgradeView>(session.client, "POST", "/v1/upgrade", json::write(body).dump());
  if (!accepted) co_return std::unexpected(accepted.error());
  auto after = co_await wait_for_successor(session, before->started_at);
  if (!after) co_return std::unexpected(after.error());
  if (after->pid != before->pid) {
    co_return fail("the new fleetd has ended soon after it took over; " + printable(after->version) + " runs now, pid " +
                   std::to_string(after->pid) + " (its log says more)");
  }
  if (!options.json) {
    session.terminal.line("fleetd " + printable(accepted->from) + " -> " + printable(after->version) + ", pid " +
                          std::to_string(after->pid));
  }
  std::string workers = "the proxy workers are as they were";
  if (options.workers) {
    auto done = co_await ask_for<api::DoneView>(session.client, "POST", "/v1/proxy/upgrade");
    if (!done) co_return std::unexpected(done.error());
    workers = done->message;
  }
  if (options.json) {
    auto document = json::write(*accepted);
    document["pid"] = after->pid;
    document["message"] = workers;
    session.terminal.line(document.dump());
  } else if (options.workers) {
    session.terminal.line(printable(workers));
  }
  co_return Exit::done;
}

}  // namespace fleet::ctl
