#include "route/edits.hpp"

#include <algorithm>

#include "http/chars.hpp"

namespace fleet::route {
namespace {

using http::iequals;
using std::string_view;

bool takes(const CompiledEdits& edits, string_view name) {
  return std::ranges::any_of(edits.taken, [name](const std::string& taken) { return iequals(taken, name); });
}

void add_own(const CompiledEdits& edits, const Values& values, http::FieldSink& out) {
  std::string value;
  for (const auto& field : edits.own) {
    value.clear();
    field.value.expand(value, values);
    out.put(field.name, value);
  }
}

// "; Domain=x" with another domain, or none.
void map_domain(std::string& out, string_view attribute, string_view domain, const CookieRules& rules) {
  const auto bare = domain.starts_with('.') ? domain.substr(1) : domain;
  const auto found = std::ranges::find_if(rules.domain, [&](const auto& entry) { return iequals(entry.first, bare); });
  if (found == rules.domain.end()) {
    out.append(";").append(attribute);
  } else if (!found->second.empty()) {
    out.append("; Domain=").append(found->second);
  }
}

bool is_below(string_view path, string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

void map_path(std::string& out, string_view attribute, string_view path, const CookieRules& rules) {
  const std::pair<const std::string, std::string>* best = nullptr;
  for (const auto& entry : rules.path) {
    if (is_below(path, entry.first) && (best == nullptr || entry.first.size() > best->first.size())) best = &entry;
  }
  if (best == nullptr) {
    out.append(";").append(attribute);
  } else if (!best->second.empty()) {
    const auto prefix = string_view(best->first).substr(0, best->first.size() - (best->first.ends_with('/') ? 1 : 0));
    auto rest = path.substr(prefix.size());
    if (best->second.ends_with('/') && rest.starts_with('/')) rest.remove_prefix(1);
    out.append("; Path=").append(best->second).append(rest);
  }
}

}  // namespace

std::string mapped_cookie(string_view cookie, const CookieRules& rules, bool https) {
  const auto pair = std::min(cookie.find(';'), cookie.size());
  std::string out(cookie.substr(0, pair));
  bool secure = false;
  for (auto rest = cookie.substr(pair); !rest.empty();) {
    rest.remove_prefix(1);
    const auto attribute = rest.substr(0, rest.find(';'));
    rest.remove_prefix(attribute.size());
    const auto equals = attribute.find('=');
    const auto name = http::trim(attribute.substr(0, equals));
    const auto value = equals == string_view::npos ? string_view() : http::trim(attribute.substr(equals + 1));
    secure |= iequals(name, "secure");
    if (iequals(name, "domain")) {
      map_domain(out, attribute, value, rules);
    } else if (iequals(name, "path")) {
      map_path(out, attribute, value, rules);
    } else {
      out.append(";").append(attribute);
    }
  }
  if (rules.secure && https && !secure) out += "; Secure";
  return out;
}

RequestEdits::RequestEdits(const CompiledRules& rules, const Values& values, bool stripped)
    : rules_(rules), values_(values), stripped_(stripped) {
  if (rules.request.sets_host) rules.request.host.expand(host_, values);
}

bool RequestEdits::take(const http::Field& field, http::FieldSink&) const { return takes(rules_.request, field.name); }

void RequestEdits::add(http::FieldSink& out) const {
  if (stripped_) out.put("X-Forwarded-Prefix", rules_.prefix);
  add_own(rules_.request, values_, out);
}

bool ResponseEdits::take(const http::Field& field, http::FieldSink& out) const {
  if (takes(rules_.response, field.name)) return true;
  const bool https = values_.scheme == "https";
  if (https && !rules_.hsts.empty() && iequals(field.name, "strict-transport-security")) return true;
  if (!iequals(field.name, "set-cookie")) return false;
  out.put(field.name, mapped_cookie(field.value, rules_.cookies, https));
  return true;
}

void ResponseEdits::add(http::FieldSink& out) const {
  if (values_.scheme == "https" && !rules_.hsts.empty()) out.put("Strict-Transport-Security", rules_.hsts);
  add_own(rules_.response, values_, out);
}

}  // namespace fleet::route
