#include "rebuild.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "os/atomic_file.hpp"

namespace fleet {
namespace {

constexpr std::size_t kMaxCurrent = 256, kMaxEnvironment = 1u << 20;

template <class T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string current_file(const Paths& paths, const std::string& app) { return paths.app_releases(app) + "/current"; }

std::uint64_t most_run(const std::vector<plan::Instance>& instances) {
  std::map<std::uint64_t, std::size_t> count;
  for (const auto& instance : instances) ++count[instance.release];
  std::uint64_t best = 0;
  for (const auto& [release, running] : count) {
    if (best == 0 || running >= count[best]) best = release;
  }
  return best;
}

}  // namespace

Result<> write_current(const Paths& paths, const std::string& app, const CurrentRelease& current) {
  return os::write_file(current_file(paths, app), std::to_string(current.number) + " " + current.sha256 + "\n");
}

std::optional<CurrentRelease> read_current(const Paths& paths, const std::string& app) {
  const auto text = os::read_file(current_file(paths, app), kMaxCurrent);
  if (!text || !text->ends_with('\n')) return std::nullopt;
  const auto blank = text->find(' ');
  const auto release = number<std::uint64_t>(std::string_view(*text).substr(0, blank));
  if (!release || blank == std::string::npos) return std::nullopt;
  return CurrentRelease{*release, text->substr(blank + 1, text->size() - blank - 2)};
}

std::map<std::string, std::string> environment_of(std::uint32_t pid) {
  std::map<std::string, std::string> all;
  const auto text = os::read_file("/proc/" + std::to_string(pid) + "/environ", kMaxEnvironment);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const auto one = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (const auto equals = one.find('='); equals != one.npos) all.emplace(one.substr(0, equals), one.substr(equals + 1));
  }
  return all;
}

std::vector<std::uint64_t> releases_found(const Paths& paths, const std::string& app) {
  std::vector<std::uint64_t> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(paths.app_releases(app), error)) {
    const auto release = number<std::uint64_t>(entry.path().filename().native());
    if (release && *release > 0 && entry.is_directory(error)) all.push_back(*release);
  }
  std::ranges::sort(all);
  return all;
}

plan::AppState rebuilt(const AppConfig& config, const Remains& remains, milliseconds now) {
  plan::AppState state;
  state.name = config.name;
  for (const auto& found : remains.running) {
    const auto named = plan::parse_instance_name(found.id);
    if (!named || named->app != config.name) continue;
    plan::Instance instance;
    instance.id = found.id;
    instance.release = named->release;
    instance.pid = found.pid;
    instance.start_time = found.start_time;
    instance.since = now;
    const auto told = [&](const char* name) {
      const auto one = found.env.find(name);
      return one == found.env.end() ? std::string() : one->second;
    };
    if (!found.socket.empty() && told("FLEET_SOCKET_PATH") == found.socket) instance.socket = found.socket;
    const auto port = number<std::uint16_t>(told("PORT")).value_or(0);
    if (instance.socket.empty() && port >= remains.port_first && port <= remains.port_last) instance.port = port;
    state.instances.push_back(std::move(instance));
    state.next_serial = std::max(state.next_serial, named->serial + 1);
    state.next_release = std::max(state.next_release, named->release + 1);
  }
  std::ranges::sort(state.instances, {}, [](const plan::Instance& i) { return std::pair(i.release, i.id); });
  if (!remains.releases.empty()) state.next_release = std::max(state.next_release, remains.releases.back() + 1);
  const auto is_there = [&](std::uint64_t release) { return std::ranges::binary_search(remains.releases, release); };
  if (remains.current && is_there(remains.current->number)) {
    state.current = remains.current->number;
    state.current_sha256 = remains.current->sha256;
  } else {
    state.current = most_run(state.instances);
  }
  for (const auto release : remains.releases) {
    if (release < state.current) state.previous = release;
  }
  std::uint32_t index = 0;
  for (auto& instance : state.instances) {
    const bool has_address = instance.port != 0 || !instance.socket.empty();
    const bool stays = instance.release == state.current && has_address && index < config.instances;
    instance.phase = stays ? plan::InstancePhase::ready : plan::InstancePhase::draining;
    instance.wanted = stays;
    instance.index = stays ? index++ : 0;
    if (instance.release == state.current) instance.sha256 = state.current_sha256;
    if (stays) continue;
    instance.generation = 1;  // that of the table in which it drains: becomes the next one
    instance.deadline = now + config.drain.timeout;
  }
  return state;
}

}  // namespace fleet
