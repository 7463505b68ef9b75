#include "planned.hpp"

#include <algorithm>

#include "api/public_url.hpp"
#include "config/values.hpp"
#include "core/json.hpp"

namespace fleet {
namespace {

std::string shown(const std::vector<std::string>& command) {
  return command.empty() ? "" : json::write(command).dump();
}

std::string shown(const HealthConfig& health) {
  std::string text(name(health.kind));
  if (health.kind == HealthKind::http) text += " " + health.path;
  if (health.kind == HealthKind::command) text += " " + shown(health.command);
  return text + ", every " + config::show_duration(health.interval) + ", " + std::to_string(health.healthy) +
         " to join, " + std::to_string(health.unhealthy) + " to leave, timeout " +
         config::show_duration(health.timeout) + ", to start within " + config::show_duration(health.start_timeout);
}

std::string shown(const HookConfig& hook) {
  return hook.command.empty() ? "" : shown(hook.command) + " within " + config::show_duration(hook.timeout);
}

std::string shown(const RunConfig& run) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (!run.user.empty()) add("user " + run.user);
  if (!run.group.empty()) add("group " + run.group);
  if (run.memory_max != 0) add("memory " + config::show_size(run.memory_max));
  if (run.processes_max != 0) add(std::to_string(run.processes_max) + " processes");
  if (run.cpu_max != 0) add(std::to_string(run.cpu_max) + " thousandths of a core");
  if (run.open_files != 0) add(std::to_string(run.open_files) + " descriptors");
  if (run.private_tmp) add("private_tmp");
  if (run.read_only) add("read_only");
  return text.empty() ? "unlimited" : text;
}

std::string shown(const std::map<std::string, std::string>& assets) {
  std::string text;
  for (const auto& [prefix, folder] : assets) text += (text.empty() ? "" : ", ") + prefix + " in " + folder;
  return text;
}

std::string route_of(const AppConfig& app) {
  std::string hosts;
  for (const auto& host : app.hosts) hosts += (hosts.empty() ? "" : ", ") + host;
  return (hosts.empty() ? "any host" : hosts) + " " + app.path;
}

std::string build(std::string_view sha256, std::string_view version) {
  return std::string(sha256) + (version.empty() ? "" : " (" + std::string(version) + ")");
}

}  // namespace

api::PlanView planned_view(const Planned& planned) {
  const auto& [state, now, then, current, fetched, environment, files_gone] = planned;
  api::PlanView view;
  view.app = state.name;
  if (state.current != 0) view.release = state.current;
  view.url = fetched.url;
  view.sha256 = fetched.sha256;
  view.format = fetched.format;
  view.version = fetched.version;
  view.signed_by = fetched.signed_by;
  view.bytes = fetched.unpacked_bytes;
  view.route = route_of(then);
  view.instances = then.instances;

  const auto compare = [&](std::string what, const std::string& was, const std::string& will) {
    if (was != will) view.changes.push_back({std::move(what), was, will});
  };
  compare(
      "build", state.current_sha256.empty() ? "" : build(state.current_sha256, current ? current->version : ""),
      build(fetched.sha256, state.current_sha256 == fetched.sha256 && current ? current->version : fetched.version));
  if (files_gone) compare("files", "gone", "made anew");
  // The first of the instances that serve and differ speaks for all.
  const auto compare_started = [&](const std::string& what, const std::string& will, auto shown_of) {
    for (const auto& instance : state.instances) {
      if (!instance.wanted || instance.candidate || instance.environment.empty()) continue;
      const auto was = shown_of(instance);
      if (was != will) return compare(what, was, will);
    }
    if (state.current == 0) compare(what, "", will);
  };
  compare_started("command", shown(then.command), [](const plan::Instance& i) { return shown(i.command); });
  compare_started("environment", environment, [](const plan::Instance& i) { return i.environment; });
  compare_started("resources", shown(then.run), [](const plan::Instance& i) { return shown(i.run); });
  compare("health", state.current == 0 ? "" : shown(now.health), shown(then.health));
  for (std::size_t i = 0; i < enum_count<Hook>(); ++i) {
    const auto hook = static_cast<Hook>(i);
    compare("hook " + std::string(name(hook)), state.current == 0 ? "" : shown(now.hooks.of(hook)),
            shown(then.hooks.of(hook)));
  }
  compare("assets", state.current == 0 ? "" : shown(now.assets), shown(then.assets));
  return view;
}

}  // namespace fleet
