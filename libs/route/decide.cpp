#include "route/decide.hpp"

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::route {
namespace {

using http::Method;
using std::string_view;

// GET and HEAD may change the method, the others keep theirs and their body (RFC 9110 §15.4).
int moved(Method method) { return method == Method::get || method == Method::head ? 301 : 308; }

Decision answer(int status, string_view reason, Because because) {
  Decision decision;
  decision.status = status;
  decision.reason = reason;
  decision.because = because;
  return decision;
}

Decision redirect(int status, std::string location, Because because) {
  auto decision = answer(status, {}, because);
  decision.location = std::move(location);
  return decision;
}

string_view uri_of(const http::RequestHead& head) { return head.target == "*" ? string_view("/") : head.target; }

// Where there is a canonical host too it is one redirect, not two.
bool to_https(const Place& place, const Asked& asked, Decision& out) {
  const auto kind = place.rules == nullptr ? place.https_redirect : place.rules->https_redirect.value_or(place.https_redirect);
  if (asked.https || kind == HttpsRedirect::off) return false;
  const auto authority = http::split_authority(asked.head.authority);
  if (!authority) return false;
  std::string location = "https://";
  location += place.rules == nullptr || place.rules->canonical_host.empty() ? authority->host : place.rules->canonical_host;
  if (asked.https_port != 443) location += ":" + std::to_string(asked.https_port);
  location += kind == HttpsRedirect::home ? string_view("/") : uri_of(asked.head);
  out = redirect(moved(asked.head.method), std::move(location), Because::https_redirect);
  return true;
}

bool to_canonical_host(const Place& place, const Asked& asked, Decision& out) {
  const auto& canonical = place.rules->canonical_host;
  if (canonical.empty() || place.host.empty() || place.host == canonical) return false;
  std::string location = (asked.https ? "https://" : "http://") + canonical;
  const auto authority = http::split_authority(asked.head.authority);
  if (authority && !authority->port.empty()) location.append(":").append(authority->port);
  out = redirect(moved(asked.head.method), location.append(uri_of(asked.head)), Because::canonical_host);
  return true;
}

bool kept_out(const CompiledRules& rules, const IpAddress& address) {
  return rules.deny.contains(address) || (rules.allow_only && !rules.allow.contains(address));
}

bool under_maintenance(const CompiledRules& rules, const Asked& asked, Decision& out) {
  if (!rules.maintenance.enabled || rules.maintenance.exempt.contains(asked.address)) return false;
  out = answer(503, "maintenance", Because::maintenance);
  out.retry_after = rules.maintenance.retry_after;
  out.page = rules.maintenance.page.get();
  return true;
}

bool not_logged_in(const CompiledRules& rules, const Asked& asked, Logins& logins, Decision& out) {
  if (!rules.users) return false;
  auto login = Login::refused;
  const http::Field* given = nullptr;
  for (const auto& field : asked.head.fields) {
    if (!http::iequals(field.name, "authorization")) continue;
    if (given != nullptr) return out = answer(400, "bad-field", Because::auth), true;
    given = &field;
  }
  if (given != nullptr) login = logins.check(*rules.users, given->value, asked.address, asked.now, &out.user);
  switch (login) {
    case Login::accepted: return false;
    case Login::refused:
      out = answer(401, "unauthorized", Because::auth);
      out.challenge = true;
      return true;
    case Login::busy:
      out = answer(429, "too-many-logins", Because::auth);
      out.retry_after = 1;
      return true;
  }
  return false;
}

void append_query(std::string& out, string_view target) {
  const auto query = target.find('?');
  if (query == string_view::npos) return;
  out += out.find('?') == std::string::npos ? '?' : '&';
  out += target.substr(query + 1);
}

// The first rule that matches, once: what it makes is not rewritten again. True: the request is answered.
bool rewrite(const Place& place, const Asked& asked, const MatchingPath& path, Decision& out) {
  const auto& rules = *place.rules;
  if (asked.head.target == "*") return false;
  for (std::size_t i = 0; i < rules.rewrites.size(); ++i) {
    const auto& rule = rules.rewrites[i];
    Pattern::Groups groups;
    if ((rule.to.uses_host() && place.host.empty()) || !rule.match.matches(path.text, groups)) continue;
    if (rule.status >= 400) {
      out = answer(rule.status, "refused", Because::rewrite);
      out.rewrite = i;
      return true;
    }
    auto values = values_of(place, asked);
    values.groups = &groups;
    values.slash = rules.encoded_slash;
    std::string made;
    rule.to.expand(made, values);
    if (!rule.to.drops_query()) append_query(made, asked.head.target);
    if (rule.status != 0) {
      out = redirect(rule.status, std::move(made), Because::rewrite);
    } else {
      out.target = std::move(made);
      out.because = Because::rewrite;
    }
    out.rewrite = i;
    return rule.status != 0;
  }
  return false;
}

// "/api/x" -> "/x". What the client sent is kept byte for byte where nothing before or in it was resolved.
void strip(const CompiledRules& rules, string_view target, const MatchingPath& path, Decision& out) {
  if (!path.below(rules.prefix)) return;  // "*"
  const auto query = std::min(target.find('?'), target.size());
  const auto size = rules.prefix.size();
  const auto raw = target.substr(0, query);
  const bool as_received = !path.resegmented && raw.starts_with(rules.prefix) && (raw.size() == size || raw[size] == '/');
  if (as_received) {
    out.target = raw.substr(size);
  } else {
    append_encoded(out.target, path.text.substr(size), UriPart::path, rules.encoded_slash);
  }
  if (out.target.empty()) out.target = "/";
  out.target += target.substr(query);
  out.because = Because::strip_path;
}

// Of those who may be there.
Decision decide_inside(const Place& place, const Asked& asked) {
  Decision decision;
  const auto& rules = *place.rules;
  auto path = place.path;
  std::string scratch;
  if (path.encoded_slash && rules.encoded_slash != EncodedSlash::separator) {
    if (rules.encoded_slash == EncodedSlash::refuse) return answer(400, "encoded-slash", Because::encoded_slash);
    const auto again = matching_path(asked.head.target, rules.encoded_slash, scratch);
    if (!again || !again->below(rules.prefix)) return answer(400, "encoded-slash", Because::encoded_slash);
    path = *again;
  }
  if (!rules.rewrites.empty() && rewrite(place, asked, path, decision)) return decision;
  if (rules.max_body != 0 && asked.framing.kind == http::BodyKind::length && asked.framing.length > rules.max_body) {
    return answer(413, "body-too-large", Because::max_body);
  }
  if (rules.strip_path && decision.target.empty()) strip(rules, asked.head.target, path, decision);
  return decision;
}

}  // namespace

Values values_of(const Place& place, const Asked& asked) {
  Values values;
  values.host = place.host;
  values.scheme = asked.https ? "https" : "http";
  values.uri = uri_of(asked.head);
  values.client = asked.address_text;
  values.app = place.app;
  return values;
}

Decision admit(const CompiledRules& rules, const Asked& asked, Logins& logins) {
  if (kept_out(rules, asked.address)) return answer(403, "address-denied", Because::access);
  Decision decision;
  if (!under_maintenance(rules, asked, decision)) not_logged_in(rules, asked, logins, decision);
  return decision;
}

Decision decide(const Place& place, const Asked& asked, Logins& logins) {
  Decision decision;
  if (to_https(place, asked, decision) || place.rules == nullptr) return decision;
  const auto& rules = *place.rules;
  if (to_canonical_host(place, asked, decision)) return decision;
  decision = admit(rules, asked, logins);
  if (decision.status != 0) return decision;
  auto inside = decide_inside(place, asked);
  inside.user = std::move(decision.user);
  return inside;
}

}  // namespace fleet::route
