#include "api/sources.hpp"

namespace fleet::api {
namespace {

constexpr milliseconds kHeartbeat{15000};
constexpr milliseconds kLogPoll{200};

std::string heartbeat(bool sse) { return sse ? ":\n\n" : "\n"; }

class EventSource final : public Source {
 public:
  EventSource(Backend& backend, EventFilter filter, bool sse)
      : backend_(backend), deployment_(filter.deployment), sse_(sse), reader_(backend.events(), std::move(filter)) {}

  net::Task<std::optional<std::string>> next() override {
    const auto since = std::chrono::steady_clock::now();
    while (!ended_ && !reader_.stopped()) {
      if (const auto event = reader_.poll()) {
        ended_ = deployment_ && event->type == EventType::deployment_finished;
        co_return event_text(*event, sse_);
      }
      // Its last event may have fallen off the end of the log, or been seen already.
      if (is_over()) break;
      if (std::chrono::steady_clock::now() - since >= kHeartbeat) co_return heartbeat(sse_);
      co_await reader_.wait(kHeartbeat);
    }
    co_return std::nullopt;
  }

  void stop() override { reader_.stop(); }

 private:
  bool is_over() const {
    if (!deployment_) return false;
    const auto deployment = backend_.deployment(*deployment_);
    return !deployment || deployment->state != DeploymentState::running;
  }

  Backend& backend_;
  std::optional<DeploymentId> deployment_;
  bool sse_, ended_ = false;
  EventReader reader_;
};

class LogSource final : public Source {
 public:
  LogSource(Backend& backend, std::string app, LogQuery query, LogsView first, bool sse)
      : backend_(backend),
        app_(std::move(app)),
        query_(std::move(query)),
        page_(std::move(first)),
        sse_(sse),
        pause_(backend.events().context()) {}

  net::Task<std::optional<std::string>> next() override {
    const auto since = std::chrono::steady_clock::now();
    while (!stopped_) {
      if (!page_.lines.empty()) co_return take_page();
      if (std::chrono::steady_clock::now() - since >= kHeartbeat) co_return heartbeat(sse_);
      pause_.expires_after(kLogPoll);
      co_await pause_.async_wait(net::use_result);
      if (stopped_) break;
      query_.cursor = page_.cursor;
      auto page = backend_.logs(app_, query_);
      if (!page) break;  // the app is gone from the configuration
      page_ = std::move(*page);
    }
    co_return std::nullopt;
  }

  void stop() override {
    stopped_ = true;
    pause_.cancel();
  }

 private:
  std::string take_page() {
    std::string text;
    for (const auto& line : page_.lines) {
      const auto one = text_of(json::write(line));
      text += sse_ ? "data: " + one + "\n\n" : one + "\n";
    }
    page_.lines.clear();
    return text;
  }

  Backend& backend_;
  std::string app_;
  LogQuery query_;
  LogsView page_;
  bool sse_, stopped_ = false;
  net::Timer pause_;
};

}  // namespace

std::shared_ptr<Source> follow_events(Backend& backend, EventFilter filter, bool sse) {
  return std::make_shared<EventSource>(backend, std::move(filter), sse);
}

std::shared_ptr<Source> follow_logs(Backend& backend, std::string app, LogQuery query, LogsView first, bool sse) {
  return std::make_shared<LogSource>(backend, std::move(app), std::move(query), std::move(first), sse);
}

json::Json event_json(const EventView& event) {
  auto document = json::write(event);
  json::Json facts = json::Json::object();
  for (const auto& [key, value] : document["data"].items()) {
    if (!value.is_null()) facts[key] = value;
  }
  document["data"] = std::move(facts);
  return document;
}

std::string event_text(const EventView& event, bool sse) {
  const auto one = text_of(event_json(event));
  if (!sse) return one + "\n";
  // Without an id, so that a browser that reconnects asks from the last event that is kept.
  const bool passing = event.type == EventType::deployment_progress || event.type == EventType::gap;
  return (passing ? "" : "id: " + std::to_string(event.seq) + "\n") + "event: " + std::string(name(event.type)) +
         "\ndata: " + one + "\n\n";
}

}  // namespace fleet::api
