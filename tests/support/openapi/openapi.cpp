#include "support/openapi/openapi.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace fleet::test {

using json::Json;

namespace {

bool has_type(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  return type == "null" && value.is_null();
}

bool has_some_type(const Json& value, const Json& types) {
  if (types.is_string()) return has_type(value, types.get<std::string>());
  return std::ranges::any_of(types, [&](const Json& type) { return has_type(value, type.get<std::string>()); });
}

// "2026-11-22T23:31:10.123Z"
bool is_time(const std::string& text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  return std::ranges::equal(text, kShape, [](char c, char shape) {
    return shape == '0' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == shape;
  });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool matches(std::string_view pattern, std::string_view path) {
  return std::ranges::equal(split(pattern, '/'), split(path, '/'), [](std::string_view wanted, std::string_view given) {
    return wanted.starts_with('{') ? !given.empty() : wanted == given;
  });
}

std::vector<std::string_view> pieces(std::string_view content_type, std::string_view body) {
  if (!content_type.starts_with("application/x-ndjson") && !content_type.starts_with("text/event-stream"))
    return {body};
  const bool sse = content_type.starts_with("text/event-stream");
  std::vector<std::string_view> found;
  for (auto line : split(body, '\n')) {
    if (sse && !line.starts_with("data: ")) continue;
    if (sse) line.remove_prefix(6);
    if (!line.empty()) found.push_back(line);
  }
  return found;
}

}  // namespace

OpenApi::OpenApi() {
  std::ifstream file(FLEET_SOURCE_DIR "/apps/fleetd/api/openapi.json");
  document_ = Json::parse(file, nullptr, false);
  if (document_.is_discarded()) {
    std::fprintf(stderr, "openapi.json: not there, or not JSON\n");
    std::abort();
  }
}

const Json& OpenApi::schema(const std::string& name) const { return document_["components"]["schemas"].at(name); }

const Json& OpenApi::resolve(const Json& schema_or_reference) const {
  const auto reference = schema_or_reference.find("$ref");
  if (reference == schema_or_reference.end()) return schema_or_reference;
  const auto text = reference->get<std::string>();
  return schema(text.substr(text.rfind('/') + 1));
}

std::vector<std::string> OpenApi::check(const std::string& schema_name, const Json& value) const {
  std::vector<std::string> wrong;
  check(schema(schema_name), value, schema_name, wrong);
  return wrong;
}

void OpenApi::check(const Json& given, const Json& value, const std::string& where,
                    std::vector<std::string>& wrong) const {
  const Json& rules = resolve(given);
  if (const auto choices = rules.find("oneOf"); choices != rules.end()) {
    const bool null_allowed = std::ranges::any_of(
        *choices, [](const Json& choice) { return choice.contains("type") && choice["type"] == "null"; });
    if (!(value.is_null() && null_allowed)) check(choices->front(), value, where, wrong);
    return;
  }
  if (!has_some_type(value, rules.at("type"))) {
    wrong.push_back(where + ": is a " + value.type_name() + ", not " + rules["type"].dump());
    return;
  }
  if (rules.contains("enum") && std::ranges::find(rules["enum"], value) == rules["enum"].end()) {
    wrong.push_back(where + ": not one of its names: " + value.dump());
  }
  if (rules.contains("minimum") && value.is_number() && value < rules["minimum"])
    wrong.push_back(where + ": too small");
  if (rules.contains("format") && value.is_string() && !is_time(value.get<std::string>())) {
    wrong.push_back(where + ": not a time: " + value.dump());
  }
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      check(rules.at("items"), value[i], where + "/" + std::to_string(i), wrong);
    }
  }
  if (!value.is_object()) return;
  for (const auto& name : rules.value("required", Json::array())) {
    if (!value.contains(name)) wrong.push_back(where + ": lacks " + name.get<std::string>());
  }
  for (const auto& [name, member] : value.items()) {
    const auto known = rules.at("properties").find(name);
    if (known == rules["properties"].end()) {
      wrong.push_back(where + ": has " + name + ", which is not described");
    } else {
      check(*known, member, where + "/" + name, wrong);
    }
  }
}

const Json* OpenApi::operation(std::string_view method, std::string_view target) const {
  std::string verb(method);
  std::ranges::transform(verb, verb.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [path, operations] : document_["paths"].items()) {
    if (matches(path, target.substr(0, target.find('?'))) && operations.contains(verb)) return &operations[verb];
  }
  return nullptr;
}

std::vector<std::string> OpenApi::check_answer(std::string_view method, std::string_view target, int status,
                                               std::string_view content_type, std::string_view body) const {
  const std::string what = std::string(method) + " " + std::string(target) + " " + std::to_string(status);
  const Json* described = operation(method, target);
  if (!described) return {what + ": not described"};
  const Json& responses = described->at("responses");
  const auto by_status = responses.find(std::to_string(status));
  if (by_status == responses.end() && status < 400) return {what + ": this status is not described"};
  const Json& response = by_status != responses.end() ? *by_status : responses.at("default");
  const auto media = response.at("content").find(std::string(content_type.substr(0, content_type.find(';'))));
  if (media == response["content"].end()) return {what + ": type not described: " + std::string(content_type)};
  std::vector<std::string> wrong;
  if ((*media)["schema"] == Json{{"type", "string"}}) return wrong;  // text of any form
  for (const auto piece : pieces(content_type, body)) {
    const Json value = Json::parse(piece, nullptr, false);
    if (value.is_discarded()) {
      wrong.push_back(what + ": not JSON: " + std::string(piece));
    } else {
      check(media->at("schema"), value, what, wrong);
    }
  }
  return wrong;
}

}  // namespace fleet::test
