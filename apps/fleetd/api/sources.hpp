// Answers that go on: events as they are published, log lines as they are written. As NDJSON or server-sent events.
// Both send an empty line or comment now and then, so that a dead connection is noticed.
#pragma once

#include <memory>
#include <string>

#include "api/backend.hpp"
#include "api/http.hpp"

namespace fleet::api {

// With filter.deployment the stream ends after that deployment's last event.
std::shared_ptr<Source> follow_events(Backend& backend, EventFilter filter, bool sse);

// `first` is what has been read already.
std::shared_ptr<Source> follow_logs(Backend& backend, std::string app, LogQuery query, LogsView first, bool sse);

json::Json event_json(const EventView& event);

// One event of a stream.
std::string event_text(const EventView& event, bool sse);

}  // namespace fleet::api
