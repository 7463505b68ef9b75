#include "follow.hpp"

#include <boost/asio/co_spawn.hpp>

#include "ask.hpp"
#include "story.hpp"

namespace fleet::ctl {
namespace {

constexpr milliseconds kReconnect{200};
constexpr milliseconds kRedraw{100};

milliseconds now() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
}

// What has been told so far, so that a reconnect repeats nothing.
struct Telling {
  explicit Telling(Terminal& out, bool json) : terminal(out), as_json(json), story(out.talk_style(), !out.has_moments()) {}
  Terminal& terminal;
  bool as_json;
  Story story;
  std::uint64_t seen = 0;
  bool over = false;

  void hear(const std::string& line) {
    const auto document = json::Json::parse(line, nullptr, false);
    api::EventView event;
    if (document.is_discarded() || !json::read(document, event)) return;  // of a newer fleetd
    if (event.type == api::EventType::gap) seen = 0;
    const bool passing = event.type == api::EventType::deployment_progress || event.type == api::EventType::gap;
    if (!passing && event.seq <= seen) return;
    if (!passing) seen = event.seq;
    if (as_json) return terminal.line(line);
    for (const auto& told : story.tell(event)) terminal.say(told);
    draw();
  }

  void draw() {
    if (!as_json) terminal.moment(over ? "" : story.moment(now()));
  }
};

net::Task<> redraw(std::shared_ptr<Telling> telling, net::asio::io_context& io) {
  net::Timer timer(io);
  while (!telling->over) {
    telling->draw();
    timer.expires_after(kRedraw);
    co_await timer.async_wait(net::use_result);
  }
}

Exit tell_end(Telling& telling, const api::DeploymentView& ended) {
  const Exit exit = exit_for(ended);
  Terminal& terminal = telling.terminal;
  if (telling.as_json) {
    json::Json result;
    result["type"] = "result";
    result["exit_code"] = static_cast<int>(exit);
    result["deployment"] = json::write(ended);
    terminal.line(result.dump());
    return exit;
  }
  for (const auto& line : failure(ended, terminal.talk_style())) terminal.say(line);
  if (ended.outcome == api::Outcome::changed) {
    for (const auto& line : receipt(ended, terminal.data_style())) terminal.line(line);
  }
  terminal.line(last_line(ended));
  return exit;
}

bool may_come_back(const Error& error) { return error.kind == ErrorKind::unreachable; }

}  // namespace

net::Task<Result<Exit>> follow_deployment(Session& session, api::DeploymentId id) {
  const std::string path = "/v1/deployments/" + std::to_string(id);
  const auto telling = std::make_shared<Telling>(session.terminal, session.options.json);
  if (session.terminal.has_moments()) {
    net::asio::co_spawn(session.client.context(), redraw(telling, session.client.context()), [](std::exception_ptr) {});
  }
  const std::function<void(const std::string&)> hear = [telling](const std::string& line) { telling->hear(line); };
  for (bool lost = false;;) {
    std::string stream = path + "/events?since=" + std::to_string(telling->seen);
    auto reply = co_await session.client.follow(std::move(stream), hear);
    auto view = co_await ask_for<api::DeploymentView>(session.client, "GET", path);
    if (view && view->state != api::DeploymentState::running) {
      telling->over = true;
      telling->draw();
      co_return tell_end(*telling, *view);
    }
    if (!view && !may_come_back(view.error())) co_return std::unexpected(view.error());
    if (!view && !lost) session.terminal.say("lost contact with fleetd, trying again");
    lost = !view;
    net::Timer pause(session.client.context(), kReconnect);
    co_await pause.async_wait(net::use_result);
  }
}

}  // namespace fleet::ctl
