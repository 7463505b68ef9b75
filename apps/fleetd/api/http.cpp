#include "api/http.hpp"

#include <charconv>
#include <set>

#include "api/views.hpp"

namespace fleet::api {

using json::Json;

namespace {

constexpr int kMaxDepth = 32;

std::string_view title_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::internal: return "fleetd failed";
    case ErrorKind::usage: return "the request or the configuration is wrong";
    case ErrorKind::not_found: return "there is no such thing";
    case ErrorKind::busy: return "another deployment of this app is under way";
    case ErrorKind::unhealthy: return "the candidate did not become healthy";
    case ErrorKind::fetch: return "the artifact could not be fetched";
    case ErrorKind::verify: return "the artifact is not what it should be";
    case ErrorKind::unreachable: return "a part of fleet does not answer";
    case ErrorKind::denied: return "not allowed";
    case ErrorKind::aborted: return "it was stopped";
  }
  return "";
}

}  // namespace

Result<std::optional<std::uint64_t>> Request::number(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  std::uint64_t value = 0;
  const auto& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorKind::usage, "query: " + name + ": not a number");
  }
  return value;
}

Result<bool> Request::flag(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end() || found->second == "false" || found->second == "0") return false;
  if (found->second.empty() || found->second == "true" || found->second == "1") return true;
  return fail(ErrorKind::usage, "query: " + name + ": not true or false");
}

std::string text_of(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

unsigned status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return 400;
    case ErrorKind::denied: return 403;
    case ErrorKind::not_found: return 404;
    case ErrorKind::busy: return 409;
    case ErrorKind::unreachable: return 503;
    case ErrorKind::internal:
    case ErrorKind::unhealthy:
    case ErrorKind::fetch:
    case ErrorKind::verify:
    case ErrorKind::aborted: return 500;
  }
  return 500;
}

Response problem(const Error& error, const std::optional<BusyView>& busy, unsigned status) {
  Problem document;
  document.type = "urn:fleet:problem:" + std::string(name(error.kind));
  document.title = title_of(error.kind);
  document.status = status != 0 ? status : status_of(error.kind);
  document.detail = error.text;
  document.kind = error.kind;
  if (busy) document.deployment = busy->deployment;
  document.busy = busy;
  Response response = answer_with(document, document.status);
  response.content_type = "application/problem+json";
  response.challenge = document.status == 401;
  return response;
}

Result<Json> parse_strict(std::string_view text) {
  std::string trouble;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) trouble = "nested more than " + std::to_string(kMaxDepth) + " deep";
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      trouble = "repeated key: " + text_of(parsed);
    }
    return trouble.empty();
  };
  Json parsed = Json::parse(text, watch, false);
  if (!trouble.empty()) return fail(ErrorKind::usage, "request body: " + trouble);
  if (parsed.is_discarded()) return fail(ErrorKind::usage, "request body: not JSON");
  return parsed;
}

}  // namespace fleet::api
