#include "config/checks.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "config/command.hpp"
#include "config/values.hpp"

namespace fleet::config {
namespace {

const Node kNothing{};

const Node& child(const Node& node, std::string_view name) {
  const auto* found = node.find(name);
  return found == nullptr ? kNothing : *found;
}

// The place of an element of a list, of the list when there is none.
Position element(const Node& list, std::size_t index) {
  const auto* array = std::get_if<Array>(&list.value);
  return array != nullptr && index < array->size() ? (*array)[index].at : list.at;
}

std::string at_line(Position at) { return "line " + std::to_string(at.line); }

bool is_loopback(const Endpoint& endpoint) { return endpoint.address.starts_with("127.") || endpoint.address == "::1"; }

void check_api(const ApiConfig& api, const Node& table, const Context& context) {
  if (!api.listen || api.listen->port == 0 || is_loopback(*api.listen)) {
    if (api.certificate.empty() == api.key.empty()) return;
    return context.problem(table.where(api.key.empty() ? "certificate" : "key"), "certificate and key go together");
  }
  for (const auto* name : {"token_file", "certificate", "key"}) {
    if (table.find(name) != nullptr) continue;
    context.in("listen").problem(table.where("listen"),
                                 to_string(*api.listen) + " is not a loopback address, so " + name + " is required");
  }
}

void check_listeners(const Config& config, const Node& document, const Context& context) {
  std::map<std::string, Position> seen;
  const auto claim = [&](const Endpoint& endpoint, Position at, const Context& where) {
    if (endpoint.port == 0) return;  // complained about already
    const auto [former, fresh] = seen.emplace(to_string(endpoint), at);
    if (!fresh) where.problem(at, to_string(endpoint) + " is taken already (" + at_line(former->second) + ")");
  };
  const auto& proxy = child(document, "proxy");
  const auto proxy_context = context.in("proxy");
  for (std::size_t i = 0; i < config.proxy.http.size(); ++i) {
    claim(config.proxy.http[i], element(child(proxy, "http"), i), proxy_context.in("http"));
  }
  for (std::size_t i = 0; i < config.proxy.https.size(); ++i) {
    claim(config.proxy.https[i], element(child(proxy, "https"), i), proxy_context.in("https"));
  }
  if (config.api.listen)
    claim(*config.api.listen, child(document, "api").where("listen"), context.in("api").in("listen"));
}

void check_proxy_protocol(const ProxyConfig& proxy, const Node& table, const Context& context) {
  const auto where = context.in("proxy").in("proxy_protocol");
  const auto& list = child(table, "proxy_protocol");
  const auto& marked = proxy.settings.proxy_protocol;
  for (std::size_t i = 0; i < marked.size(); ++i) {
    if (marked[i].port == 0) continue;  // complained about already
    const auto is_there = [&](const auto& listeners) { return std::ranges::find(listeners, marked[i]) != listeners.end(); };
    if (!is_there(proxy.http) && !is_there(proxy.https))
      where.problem(element(list, i), to_string(marked[i]) + " is no listener (see http and https)");
  }
  if (!marked.empty() && proxy.settings.trusted.empty())
    where.problem(list.at, "nobody may send PROXY headers (see trusted)");
}

void check_placeholders(const std::vector<std::string>& command, Listens listen, const Node& list,
                        const Context& context, bool has_instance = true) {
  std::map<std::string, std::string> known;
  for (const auto name : placeholders()) known.emplace(name, "");
  known.erase(listen == Listens::unix_ ? "port" : "socket");  // there is but one of them, see `listen`
  if (!has_instance) {
    for (const auto* name : {"port", "socket", "instance"}) known.erase(name);
  }
  for (std::size_t i = 0; i < command.size(); ++i) {
    const auto expanded = expand(command[i], known);
    if (!expanded) context.problem(element(list, i), expanded.error().text);
  }
  if (!command.empty() && command[0].empty() && std::holds_alternative<Array>(list.value)) {
    context.problem(element(list, 0), "the program's name is empty");
  }
}

// Of a hook that is about no instance these have no meaning.
void check_hooks(const HooksConfig& hooks, Listens listen, const Node& table, const Context& context) {
  for (std::size_t i = 0; i < enum_count<Hook>(); ++i) {
    const auto hook = static_cast<Hook>(i);
    const std::string key(name(hook));
    const auto& command = hooks.of(hook).command;
    const bool has_instances = hook != Hook::pre_start && hook != Hook::on_failure;
    check_placeholders(command, listen, child(table, key), context.in(key), has_instances);
  }
}

void check_health(const Node& node, const Context& context) {
  constexpr std::array<std::string_view, 4> kKinds{"path", "tcp", "command", "notify"};
  const auto* table = std::get_if<Table>(&node.value);
  if (table == nullptr) return;
  std::string chosen;
  for (const auto& [name, at, value] : *table) {
    const auto* flag = std::get_if<bool>(&value.value);
    if (std::ranges::find(kKinds, name) == kKinds.end() || (flag != nullptr && !*flag)) continue;
    if (!chosen.empty()) context.problem(at, chosen + " and " + name + " exclude each other");
    chosen = name;
  }
}

// Where each (host, path) was claimed, over all apps.
using Claims = std::map<std::pair<std::string, std::string>, std::pair<std::string, Position>>;

bool is_below(std::string_view path, std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && path.size() > prefix.size() + 1 && path[prefix.size()] == '/';
}

// Of the app itself, or of one of its routes.
void claim_path(const AppConfig& app, const std::string& path, const Node& hosts, Position path_at, Claims& claims,
                const Context& context) {
  const auto claim = [&](const std::string& host, Position at) {
    const auto [former, fresh] = claims.try_emplace({host, path}, app.name, at);
    if (fresh) return;
    const auto what = (host.empty() ? "any host" : "host " + quote(host)) + " with path " + quote(path);
    context.problem(at, what + " belongs to app " + quote(former->second.first) + " already (" +
                            at_line(former->second.second) + ")");
  };
  for (std::size_t i = 0; i < app.hosts.size(); ++i) {
    const bool again = std::find(app.hosts.begin(), app.hosts.begin() + static_cast<std::ptrdiff_t>(i), app.hosts[i]) !=
                       app.hosts.begin() + static_cast<std::ptrdiff_t>(i);
    if (app.hosts[i].empty() || again) continue;  // complained about by itself
    claim(app.hosts[i], path == app.path ? element(hosts, i) : path_at);
  }
  const bool readable = &hosts == &kNothing || std::holds_alternative<Array>(hosts.value);
  if (app.hosts.empty() && readable) claim("", path_at);
}

void check_routes(const AppConfig& app, const Node& table, Claims& claims, const Context& context) {
  if (app.path.empty()) return;  // complained about already
  const auto& hosts = child(table, "hosts");
  std::set<std::string> own;
  for (std::size_t i = 0; i < app.hosts.size(); ++i) {
    if (app.hosts[i].empty() || own.insert(app.hosts[i]).second) continue;
    context.in("hosts").problem(element(hosts, i), quote(app.hosts[i]) + " is there twice");
  }
  claim_path(app, app.path, hosts, table.where("path"), claims, context);
  const auto* routes = std::get_if<Array>(&child(table, "route").value);
  for (std::size_t i = 0; routes != nullptr && i < app.routes.size(); ++i) {
    const auto& path = app.routes[i].path;
    const auto at = (*routes)[i].where("path");
    if (path.empty()) continue;  // complained about already
    if (is_below(path, app.path)) {
      claim_path(app, path, hosts, at, claims, context);
    } else {
      context.in("route").problem(at, quote(path) + " is not below the app's own path " + quote(app.path));
    }
  }
}

void check_no_https_redirect(const AppConfig& app, const Node& table, const Context& context) {
  const auto check = [](HttpsRedirect redirect, const Node& node, const Context& where) {
    if (redirect == HttpsRedirect::off) return;
    where.in("https_redirect").problem(node.where("https_redirect"), "there is no https listener (see [proxy] https)");
  };
  check(app.https_redirect, table, context);
  const auto* routes = std::get_if<Array>(&child(table, "route").value);
  for (std::size_t i = 0; routes != nullptr && i < app.routes.size(); ++i) {
    const auto& route = app.routes[i];
    check(route.https_redirect.value_or(HttpsRedirect::off), (*routes)[i], context.in("route " + quote(route.path)));
  }
}

void check_app(const AppConfig& app, const Config& config, const Node& table, Claims& claims, const Context& context) {
  check_placeholders(app.command, app.listen, child(table, "command"), context.in("command"));
  const auto& health = child(table, "health");
  check_placeholders(app.health.command, app.listen, child(health, "command"), context.in("health").in("command"));
  check_health(health, context.in("health"));
  check_hooks(app.hooks, app.listen, child(table, "hooks"), context.in("hooks"));
  check_routes(app, table, claims, context);
  const bool hashes = app.balancing.by == Balance::hash;
  if (hashes && table.find("hash_by") == nullptr) {
    context.in("balance").problem(table.where("balance"), "\"hash\" needs hash_by, too");
  } else if (!hashes && !app.balancing.hash_by.empty()) {
    context.in("hash_by").problem(table.where("hash_by"), "has no effect without balance = \"hash\"");
  }
  for (const auto& [name, source] : app.secrets) {
    if (app.env.contains(name)) context.in("secrets").problem(child(table, "secrets").where(name), name + " is in env already");
  }
  // The folder of its socket would be the app's, and what stands there could lead the proxy, which is root, anywhere.
  if (app.listen == Listens::unix_ && !app.run.user.empty()) {
    context.in("listen").problem(table.where("listen"), "\"unix\" is not for an app with a user of its own");
  }
  const bool names_user = !app.run.user.empty() || table.find("user") != nullptr;
  if (!names_user && !app.run.group.empty()) context.in("group").problem(table.where("group"), "needs user, too");
  const auto hidden = [](const std::string& dir) { return dir.starts_with("/tmp/") || dir.starts_with("/var/tmp/"); };
  if (app.run.private_tmp && (hidden(config.state_dir) || hidden(config.run_dir))) {
    context.in("private_tmp").problem(table.where("private_tmp"), "would hide state_dir or run_dir, which must not be in /tmp or /var/tmp then");
  }
  if (config.proxy.https.empty()) check_no_https_redirect(app, table, context);
}

// Every instance runs, and one app at a time starts its next release besides.
void check_ports(const Config& config, const Node& document, const Context& context) {
  std::uint32_t needed = 0, largest = 0;
  for (const auto& app : config.apps) {
    if (app.listen == Listens::unix_) continue;
    needed += app.instances, largest = std::max(largest, app.instances);
  }
  const std::uint32_t there = config.port_last - config.port_first + 1u;
  if (needed + largest <= there) return;
  const auto& fleet = child(document, "fleet");
  context.in("fleet").in("ports").problem(
      fleet.where("ports"), std::to_string(there) + " ports, but the apps need " + std::to_string(needed + largest));
}

// A socket's path has at most 107 bytes (sun_path), fleet's longest are run_dir/notify/APP-vRELEASE-SERIAL.
void check_sockets(const Config& config, const Node& document, const Context& context) {
  constexpr std::size_t kPath = 107, kBesides = std::string_view("/notify/-v-").size() + 16;  // 16 digits
  for (const auto& app : config.apps) {
    if (!is_app_name(app.name) || config.run_dir.size() + app.name.size() + kBesides <= kPath) continue;
    const auto limit = std::to_string(kPath - kBesides);
    context.in("fleet").in("run_dir").problem(child(document, "fleet").where("run_dir"),
                                              quote(config.run_dir) + " and the name of app " + quote(app.name) +
                                                  " are longer than " + limit + " bytes together (sockets' paths)");
  }
}

// The way by which an app depends on itself, from it to it; empty: it does not.
std::vector<std::string> circle_of(const std::string& app, const std::map<std::string, const AppConfig*>& apps) {
  std::map<std::string, std::string> came_from;
  std::vector<std::string> next{app};
  while (!next.empty()) {
    const auto at = std::move(next.back());
    next.pop_back();
    const auto found = apps.find(at);
    if (found == apps.end()) continue;
    for (const auto& on : found->second->depends_on) {
      if (!came_from.emplace(on, at).second) continue;
      if (on != app) next.push_back(on);
    }
  }
  if (!came_from.contains(app)) return {};
  std::vector<std::string> circle{app};
  do circle.insert(circle.begin(), came_from.at(circle.front()));
  while (circle.front() != app);
  return circle;
}

void check_dependencies(const Config& config, const Node& apps, const Context& context) {
  std::map<std::string, const AppConfig*> known;
  for (const auto& app : config.apps) known.emplace(app.name, &app);
  std::set<std::string> told;  // one complaint for each circle
  for (const auto& app : config.apps) {
    const auto& list = child(child(apps, app.name), "depends_on");
    const auto where = context.named("app " + quote(app.name)).in("depends_on");
    std::set<std::string> seen;
    for (std::size_t i = 0; i < app.depends_on.size(); ++i) {
      const auto& on = app.depends_on[i];
      if (on.empty()) continue;  // complained about already
      if (on == app.name) where.problem(element(list, i), "the app cannot depend on itself");
      else if (!known.contains(on)) where.problem(element(list, i), "there is no app " + quote(on));
      else if (!seen.insert(on).second) where.problem(element(list, i), quote(on) + " is there twice");
    }
    const auto circle = circle_of(app.name, known);
    if (circle.size() <= 2 || told.contains(app.name)) continue;
    told.insert(circle.begin(), circle.end());
    std::string way;
    for (const auto& one : circle) way += (way.empty() ? "" : " -> ") + one;
    where.problem(list.at, "these apps depend on each other: " + way);
  }
}

}  // namespace

void check_app_file(const BuildConfig& build, Listens listen, const Node& document, const Context& context) {
  check_placeholders(build.command, listen, child(document, "command"), context.in("command"));
  const auto& health = child(document, "health");
  if (build.health) check_placeholders(build.health->command, listen, child(health, "command"), context.in("health").in("command"));
  check_health(health, context.in("health"));
  check_hooks(build.hooks, listen, child(document, "hooks"), context.in("hooks"));
}

void check_config(const Config& config, const Node& document, const Context& context) {
  check_api(config.api, child(document, "api"), context.in("api"));
  check_listeners(config, document, context);
  check_proxy_protocol(config.proxy, child(document, "proxy"), context);
  Claims claims;
  const auto& apps = child(document, "app");
  for (const auto& app : config.apps) {
    check_app(app, config, child(apps, app.name), claims, context.named("app " + quote(app.name)));
  }
  check_dependencies(config, apps, context);
  check_ports(config, document, context);
  check_sockets(config, document, context);
}

}  // namespace fleet::config
