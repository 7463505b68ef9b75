#include "config/rule_keys.hpp"

#include <charconv>

#include "config/values.hpp"
#include "http/authority.hpp"
#include "http/fields.hpp"
#include "route/pattern.hpp"
#include "route/rules.hpp"
#include "route/template.hpp"
#include "route/users.hpp"

namespace fleet::config {
namespace {

using namespace std::chrono_literals;
using std::string_view;

constexpr std::size_t kMaxRoutes = 1000, kMaxRewrites = 1000;

// A string -> string table whose entries `check` complains about: what is wrong with this name and value, or nothing.
struct Pairs {
  using T = std::map<std::string, std::string>;
  std::string words;
  std::string (*check)(std::string_view name, std::string& value, const Environment&);
  std::string type() const { return "table of strings"; }
  std::string range() const { return words; }
  std::string show(const T&) const { return "none"; }
  bool read(const Node& node, T& out, const Context& context) const {
    const auto* table = std::get_if<Table>(&node.value);
    if (table == nullptr) return context.problem(node.at, "expected a table of strings, not " + type_of(node)), false;
    out.clear();
    bool good = true;
    for (const auto& [name, at, value] : *table) {
      const auto where = context.in(quote(name));
      const auto* text = std::get_if<std::string>(&value.value);
      if (text == nullptr) where.problem(value.at, "expected a string, not " + type_of(value));
      auto taken = text == nullptr ? std::string() : *text;
      const auto complaint = text == nullptr ? std::string() : check(name, taken, context.environment());
      if (!complaint.empty()) where.problem(value.at, complaint);
      good = good && text != nullptr && complaint.empty();
      if (text != nullptr && complaint.empty()) out.emplace(name, std::move(taken));
    }
    return good;
  }
};

std::string check_header(string_view name, string_view value, bool of_request) {
  if (auto why = route::refused_field(name, of_request); !why.empty()) return why;
  const auto parsed = route::Template::parse(value, route::Template::Use::field, -1);
  return parsed ? "" : quote(value) + ": " + parsed.error().text;
}
std::string check_request_header(string_view name, std::string& value, const Environment&) {
  return check_header(name, value, true);
}
std::string check_response_header(string_view name, std::string& value, const Environment&) {
  return check_header(name, value, false);
}

std::string accept_request_name(std::string& text, const Environment&) {
  const auto why = http::field_id(text) == http::FieldId::host ? "must have a Host" : route::refused_field(text, true);
  return why.empty() ? "" : quote(text) + ": " + why;
}
std::string accept_response_name(std::string& text, const Environment&) {
  const auto why = route::refused_field(text, false);
  return why.empty() ? "" : quote(text) + ": " + why;
}

// The contents, or what is wrong.
Result<std::string> contents(const std::string& file, std::size_t limit, const Environment& environment) {
  if (!environment.read_file) return fail(ErrorKind::usage, quote(file) + ": there is nothing to read it with");
  auto text = environment.read_file(file, limit);
  if (!text) return fail(ErrorKind::usage, quote(file) + ": " + text.error().text);
  return text;
}

std::string accept_page(std::string& text, const Environment& environment) {
  if (auto why = kFile.accept(text, environment); !why.empty()) return why;
  const auto page = contents(text, kMaxPage, environment);
  return page ? "" : page.error().text;
}

std::string accept_users(std::string& text, const Environment& environment) {
  if (auto why = kFile.accept(text, environment); !why.empty()) return why;
  const auto file = contents(text, kMaxUsers, environment);
  if (!file) return file.error().text;
  const auto users = route::Users::parse(*file);
  return users ? "" : quote(text) + ": " + users.error().text;
}

std::string check_page(string_view status, std::string& value, const Environment& environment) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(status.data(), status.data() + status.size(), number);
  const bool one = error == std::errc() && end == status.data() + status.size() && number >= 400 && number <= 599;
  if (!one && status != "4xx" && status != "5xx") return "is no status of an error (400 to 599, \"4xx\", \"5xx\")";
  return accept_page(value, environment);
}

std::string accept_realm(std::string& text, const Environment&) {
  for (const char c : text) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') return quote(text) + " is not plain ASCII text without quotes";
  }
  return text.empty() || text.size() > 100 ? "must have 1 to 100 bytes" : "";
}

bool may_stand_in_attribute(string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == ';' || c == ',') return false;
  }
  return true;
}

std::string check_cookie_domain(string_view name, std::string& value, const Environment&) {
  if (name.empty() || !may_stand_in_attribute(name)) return "is no domain";
  return value.empty() || http::split_authority(value) ? "" : quote(value) + " is no domain";
}
std::string check_cookie_path(string_view name, std::string& value, const Environment&) {
  if (!name.starts_with('/') || !may_stand_in_attribute(name)) return "is no path";
  return value.empty() || (value.starts_with('/') && may_stand_in_attribute(value)) ? "" : quote(value) + " is no path";
}

const Text kRequestName{"string", "field names", accept_request_name};
const Text kResponseName{"string", "field names", accept_response_name};
const Text kPage{"path", "a file of at most 32 KiB", accept_page};
const Text kUsers{"path", "a file of at most 128 KiB", accept_users};
const Text kRealm{"string", "printable ASCII without quotes", accept_realm};

const std::string kVariables = "values may have $host $scheme $uri $client $app, and $$ for a dollar sign";

const Keys<HeaderEdits>& request_header_keys() {
  static const Keys<HeaderEdits> keys{
      key("remove", &HeaderEdits::remove, ListOf<Text>{kRequestName, 0, 100}, "Fields of the client that do not reach the application."),
      key("set", &HeaderEdits::set, Pairs{kVariables, check_request_header},
          "Fields that replace all of that name. Host too: the application sees this one in place of the client's."),
      key("add", &HeaderEdits::add, Pairs{kVariables, check_request_header}, "Fields beside those there are."),
  };
  return keys;
}

const Keys<HeaderEdits>& response_header_keys() {
  static const Keys<HeaderEdits> keys{
      key("remove", &HeaderEdits::remove, ListOf<Text>{kResponseName, 0, 100}, "Fields of the application that do not reach the client."),
      key("set", &HeaderEdits::set, Pairs{kVariables, check_response_header},
          "Fields that replace all of that name, on every answer, fleet's own too."),
      key("add", &HeaderEdits::add, Pairs{kVariables, check_response_header}, "Fields beside those there are."),
  };
  return keys;
}

const Keys<Maintenance>& maintenance_keys() {
  static const Keys<Maintenance> keys{
      key("enabled", &Maintenance::enabled, Boolean{}, "Every request is answered by 503 and the page."),
      key("page", &Maintenance::page, kPage, "HTML; without it a line of text is shown."),
      key("retry_after", &Maintenance::retry_after, Duration{1s, 24h * 30}, "What Retry-After says."),
      key("exempt", &Maintenance::exempt, ListOf<Text>{kCidr}, "Clients that are served as ever."),
  };
  return keys;
}

const Keys<ErrorPages>& error_keys() {
  static const Keys<ErrorPages> keys{
      key("pages", &ErrorPages::pages, Pairs{"status or class -> a file of at most 32 KiB", check_page},
          "HTML in place of fleet's own error texts, such as \"404\" = \"404.html\", \"5xx\" = \"down.html\". A status goes "
          "before its class. The status that the client gets stays the true one."),
      key("intercept", &ErrorPages::intercept, Boolean{},
          "Whether the pages stand for the application's own answers of these statuses, too."),
  };
  return keys;
}

const Keys<BasicAuth>& auth_keys() {
  static const Keys<BasicAuth> keys{
      key("users", &BasicAuth::users, kUsers,
          "Lines of user:hash, as htpasswd and mkpasswd make them; only these may pass (basic authentication). The hashes are "
          "SHA-256-crypt and SHA-512-crypt up to 20,000 rounds (mkpasswd -m sha-256) and bcrypt up to cost 7 (htpasswd -B "
          "-C 7): others are guessed too fast, or would hold up all requests while they are verified. For the same reason "
          "an address with 10 failures gets 429 for a while. Take it over https only."),
      key("realm", &BasicAuth::realm, kRealm, "What the client shows its user."),
      key("enabled", &BasicAuth::enabled, Boolean{}, "false: a route that everybody may see, in an app that asks."),
  };
  return keys;
}

const Keys<AccessLists>& access_keys() {
  static const Keys<AccessLists> keys{
      key("allow", &AccessLists::allow, ListOf<Text>{kCidr}, "Only these clients are let in; the others get 403."),
      key("deny", &AccessLists::deny, ListOf<Text>{kCidr}, "These are not, whatever allow says. IPv4 by IPv6 is IPv4."),
  };
  return keys;
}

const Keys<Hsts>& hsts_keys() {
  static const Keys<Hsts> keys{
      key("max_age", &Hsts::max_age, Duration{0s, 24h * 365 * 3},
          "Strict-Transport-Security on every answer over https: for so long browsers use https only, such as \"8760h\". "
          "0s: it is not said."),
      key("include_subdomains", &Hsts::include_subdomains, Boolean{}, "So does every name below this host."),
      key("preload", &Hsts::preload, Boolean{}, "Consent to the list that browsers are shipped with."),
  };
  return keys;
}

const Keys<CookieRules>& cookie_keys() {
  static const Keys<CookieRules> keys{
      key("secure", &CookieRules::secure, Boolean{}, "Add Secure to every cookie of the application that has it not, on https."),
      key("domain", &CookieRules::domain, Pairs{"domain -> domain", check_cookie_domain},
          "Domains in Set-Cookie that become others; \"\" leaves the attribute out."),
      key("path", &CookieRules::path, Pairs{"path -> path", check_cookie_path},
          "Beginnings of Path in Set-Cookie that become others; the longest counts, \"\" leaves the attribute out."),
  };
  return keys;
}

const Keys<Rewrite>& rewrite_keys() {
  static const Text any{"string", "", [](std::string&, const Environment&) { return std::string(); }};
  static const Keys<Rewrite> keys{
      key("match", &Rewrite::match, any,
          "A regular expression in RE2's syntax (https://github.com/google/re2/wiki/Syntax; no look-around and no "
          "back-references, so that time stays linear), searched for in the path, decoded once, without empty and dot "
          "segments; ^ and $ hold it to the whole.")
          .required(),
      key("to", &Rewrite::to, any,
          "The new path, or where the redirect leads: a path or a URL. $1 to $9 are the pattern's groups, percent-encoded; $0 "
          "is all that matched; $host $scheme $uri $client $app and $$ as in headers. The query follows, unless this ends "
          "in ? or has a fragment or $uri. Nothing in a request can make a redirect lead to another host than this says.")
          .otherwise("none, for refusals; else it is required"),
      key("status", &Rewrite::status, Integer{0, 410},
          "Of a redirect: 301, 302, 303, 307 or 308; of a refusal: 403, 404 or 410. 0: the application gets the new path, the "
          "rules of the old one hold."),
  };
  return keys;
}

void read_rewrite(const Node& node, Rewrite& rewrite, const Context& context) {
  read_table(node, rewrite, rewrite_keys(), context);
  constexpr std::uint32_t kStatuses[] = {0, 301, 302, 303, 307, 308, 403, 404, 410};
  if (std::ranges::find(kStatuses, rewrite.status) == std::end(kStatuses) && node.find("status") != nullptr) {
    context.in("status").problem(node.where("status"), std::to_string(rewrite.status) + " is no redirect (301, 302, 303, 307, 308) and no refusal (403, 404, 410)");
  }
  const bool refuses = rewrite.status >= 400;
  if (refuses && !rewrite.to.empty()) return context.in("to").problem(node.where("to"), "a refusal leads nowhere (see status)");
  if (!refuses && node.find("to") == nullptr) context.in("to").problem(node.at, "missing");
  if (rewrite.match.empty() || (rewrite.to.empty() && !refuses)) {
    for (const auto* name : {"match", "to"}) {
      const auto* found = node.find(name);
      const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(&found->value);
      if (text != nullptr && text->empty()) context.in(name).problem(found->at, "must not be empty");
    }
    return;
  }
  const auto pattern = route::Pattern::compile(rewrite.match);
  if (!pattern) return context.in("match").problem(node.where("match"), quote(rewrite.match) + ": " + pattern.error().text);
  if (refuses) return;
  const auto use = rewrite.status == 0 ? route::Template::Use::path : route::Template::Use::location;
  const auto to = route::Template::parse(rewrite.to, use, pattern->groups());
  if (!to) context.in("to").problem(node.where("to"), quote(rewrite.to) + ": " + to.error().text);
}

void read_rewrites(const Node& node, Rules& rules, const Context& context) {
  const auto* list = std::get_if<Array>(&node.value);
  if (list == nullptr) return context.problem(node.at, "expected [[...rewrite]] tables, not " + type_of(node));
  if (list->size() > kMaxRewrites) return context.problem(node.at, "more than " + std::to_string(kMaxRewrites) + " of them");
  rules.rewrites.clear();
  std::map<std::string, std::size_t> lines;
  for (const auto& item : *list) {
    auto& rewrite = rules.rewrites.emplace_back();
    read_rewrite(item, rewrite, context);
    const auto [former, fresh] = lines.emplace(rewrite.match, item.at.line);
    if (fresh || rewrite.match.empty()) continue;
    context.in("match").problem(item.where("match"), quote(rewrite.match) + " is there already (line " +
                                                         std::to_string(former->second) + "), so this never applies");
  }
}

// What the app has in a place of its own.
const Keys<Rules>& route_keys() {
  static const Keys<Rules> keys{
      key("path", &Rules::path, kUrlPath, "Prefix, of whole segments, below the app's own path. The longest counts.")
          .required(),
      key("https_redirect", &Rules::https_redirect, Maybe<OneOf<HttpsRedirect>>{},
          "\"off\": a path that is served over plain HTTP, in an app that redirects; or the other way round.")
          .otherwise("as in the app"),
      key("rewrite_redirects", &Rules::rewrite_redirects, Maybe<Boolean>{}, "As in the app, for this path.")
          .otherwise("as in the app"),
  };
  return keys;
}

}  // namespace

const Keys<Rules>& rule_keys() {
  static const Keys<Rules> keys{
      key("strip_path", &Rules::strip_path, Boolean{},
          "The application gets paths without the prefix, which X-Forwarded-Prefix tells it; what it redirects to below / "
          "is given the prefix again, unless it has it or rewrite_redirects is false."),
      key("canonical_host", &Rules::canonical_host, kHost,
          "The other hosts are answered by a redirect to this one, same URI: 301 for GET and HEAD, 308 for the rest."),
      key("max_body", &Rules::max_body, Size{}, "Larger request bodies are answered by 413, before they are read where they tell their length."),
      key("first_byte_timeout", &Rules::first_byte_timeout, Duration{10ms, 24h},
          "The application may take so long to begin its answer; then 504.")
          .otherwise("proxy.timeouts.upstream"),
      key("idle_timeout", &Rules::idle_timeout, Duration{10ms, 24h}, "And so long between two bytes of it.")
          .otherwise("proxy.timeouts.upstream"),
      key("tunnel_timeout", &Rules::tunnel_timeout, Duration{100ms, 24h * 30},
          "A WebSocket or other tunnel in which nothing moves is closed after this.")
          .otherwise("an hour"),
      key("encoded_slash", &Rules::encoded_slash, OneOf<EncodedSlash>{},
          "What %2F in a path is: \"separator\": a slash, for rules; \"data\": part of a segment; \"refuse\": answered by 400. "
          "The application gets it as it came, unless a rule rewrites the path."),
      section("request_headers", &Rules::request_headers, request_header_keys()),
      section("response_headers", &Rules::response_headers, response_header_keys()),
      section("maintenance", &Rules::maintenance, maintenance_keys()),
      section("errors", &Rules::errors, error_keys()),
      section("auth", &Rules::auth, auth_keys()),
      section("access", &Rules::access, access_keys()),
      section("hsts", &Rules::hsts, hsts_keys()),
      section("cookies", &Rules::cookies, cookie_keys()),
      section<Rules>("rewrite", read_rewrites),
  };
  return keys;
}

void read_routes(const Node& app_table, AppConfig& app, const Context& context) {
  app.rules.path = app.path;
  const auto* node = app_table.find("route");
  if (node == nullptr) return;
  const auto* list = std::get_if<Array>(&node->value);
  if (list == nullptr) return context.in("route").problem(node->at, "expected [[...route]] tables, not " + type_of(*node));
  if (list->size() > kMaxRoutes) {
    return context.in("route").problem(node->at, "more than " + std::to_string(kMaxRoutes) + " of them");
  }
  static const Keys<Rules> keys = [] {
    auto all = route_keys();
    all.insert(all.end(), rule_keys().begin(), rule_keys().end());
    return all;
  }();
  for (const auto& item : *list) {
    auto& rules = app.routes.emplace_back(app.rules);
    rules.path.clear();
    const auto* path = item.find("path");
    const auto* text = path == nullptr ? nullptr : std::get_if<std::string>(&path->value);
    read_table(item, rules, keys, context.in(text == nullptr ? "route" : "route " + quote(*text)));
  }
}

void take_files(Config& config, const Context& context) {
  std::size_t total = 0;
  for (auto& app : config.apps) {
    const auto take = [&](const std::string& name, std::size_t limit) {
      if (name.empty() || app.files.contains(name)) return;
      // One that is not readable was complained about where it is named.
      if (auto text = contents(name, limit, context.environment())) {
        total += text->size();
        app.files.emplace(name, std::move(*text));
      }
    };
    const auto take_all = [&](const Rules& rules) {
      take(rules.maintenance.page, kMaxPage);
      take(rules.auth.users, kMaxUsers);
      for (const auto& [status, page] : rules.errors.pages) take(page, kMaxPage);
    };
    take_all(app.rules);
    for (const auto& rules : app.routes) take_all(rules);
  }
  if (total > kMaxFiles) context.problem({}, "pages and users are larger than 8 MiB together");
}

std::vector<SectionReference> rule_reference() {
  const auto describe = [](std::string name, std::string meaning, const auto& keys) {
    SectionReference section{"[app.NAME." + std::move(name) + "]", std::move(meaning), {}};
    for (const auto& k : keys) section.keys.push_back(k.reference);
    return section;
  };
  auto rewrite = describe("rewrite", "Rules for paths, tried in this order; the first that matches is followed, once.", rewrite_keys());
  auto route = describe("route",
                        "A path within the app that has rules of its own. strip_path, canonical_host, max_body, "
                        "first_byte_timeout, idle_timeout, tunnel_timeout, encoded_slash, and the tables request_headers, "
                        "response_headers, maintenance, errors, auth, access, hsts, cookies and rewrite may stand here as in "
                        "the app; what does not stand here is as in the app.",
                        route_keys());
  rewrite.heading = "[" + rewrite.heading + "]";
  route.heading = "[" + route.heading + "]";
  return {
      describe("request_headers", "What is changed about requests. Fields of the connection, and those that say who the client is, are fleet's own.",
               request_header_keys()),
      describe("response_headers", "What is changed about answers.", response_header_keys()),
      describe("maintenance", "A page in place of the app.", maintenance_keys()),
      describe("errors", "Pages for errors.", error_keys()),
      describe("auth", "Who may pass, by name and password.", auth_keys()),
      describe("access", "Who may pass, by address.", access_keys()),
      describe("hsts", "HTTP Strict Transport Security (RFC 6797).", hsts_keys()),
      describe("cookies", "What is changed about the application's cookies.", cookie_keys()),
      std::move(rewrite),
      std::move(route),
  };
}

}  // namespace fleet::config
