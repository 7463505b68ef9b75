#include "doctor.hpp"

#include "ask.hpp"
#include "doctor/findings.hpp"
#include "doctor/gather.hpp"

namespace fleet::ctl {

net::Task<Result<Exit>> examine(Session& session) {
  const auto& options = session.options;
  if (!options.url.empty()) co_return fail(ErrorKind::usage, "doctor looks at the machine that it runs on, so not with --url");
  auto status = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
  std::optional<api::StatusView> known;
  if (status) known = *status;
  auto facts = doctor::gather(options.config, options.socket, std::move(known), status ? "" : status.error().text);
  auto later = co_await ask_for<api::StatusView>(session.client, "GET", "/v1/status");
  if (later) doctor::drop_known(facts, *later);

  const auto findings = doctor::judge(facts);
  const bool good = doctor::worst(findings) != doctor::Level::error;
  if (options.json) {
    json::Json document;
    document["ok"] = good;
    document["findings"] = json::write(findings);
    session.terminal.line(document.dump(-1, ' ', false, json::Json::error_handler_t::replace));
  } else {
    session.terminal.data(doctor::findings_text(findings, session.terminal.data_style()));
  }
  co_return good ? Exit::done : Exit::unhealthy;
}

}  // namespace fleet::ctl
