#include "options.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "config/values.hpp"
#include "exit_code.hpp"

namespace fleet::ctl {
namespace {

// "90s" becomes the number of its milliseconds.
CLI::Validator duration_within(milliseconds least, milliseconds most) {
  const auto to_number = [least, most](std::string& text) {
    std::int64_t number = 0;
    const std::map<std::string_view, std::int64_t> units{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto unit = units.find(std::string_view(end, text.data() + text.size()));
    if (error != std::errc() || number < 0 || number > most.count() || unit == units.end()) number = -1;
    else number *= unit->second;
    if (number < least.count() || number > most.count()) {
      return "\"" + text + "\" is not a duration from " + config::show_duration(least) + " to " + config::show_duration(most) +
             " (a whole number and ms, s, m or h)";
    }
    text = std::to_string(number);
    return std::string();
  };
  return {to_number, "DURATION"};
}

std::string default_socket(const Surroundings& around) {
  if (!around.fleet_socket.empty()) return around.fleet_socket;
  if (around.root || around.xdg_runtime_dir.empty()) return "/run/fleet/fleetd.sock";
  return around.xdg_runtime_dir + "/fleet/fleetd.sock";
}

std::string exit_codes() {
  std::string text = "Exit codes:\n";
  for (const auto& [code, meaning] : kExitMeanings) {
    const std::string number = std::to_string(static_cast<int>(code));
    text += std::string(5 - number.size(), ' ') + number + "  " + std::string(meaning) + "\n";
  }
  return text + "\nThe manual: fleetctl(1)";
}

// CLI11 writes values through pointers; those of no plain type land here first.
struct Raw {
  std::string app;
  std::uint64_t number = 0, release = 0, since = 0;
  std::int64_t timeout = 300000, max = 30000;
  bool no_wait = false, no_workers = false;
};

class CommandLine {
 public:
  CommandLine(Options& options, const Surroundings& around) : options_(options), around_(around) {
    options_.socket = default_socket(around);
    app_.name("fleetctl");
    app_.set_version_flag("--version", "fleetctl " FLEET_VERSION);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(exit_codes());
    app_.add_option("--socket", options_.socket, "fleetd's unix socket (also FLEET_SOCKET)")->type_name("PATH");
    app_.add_option("--url", options_.url, "fleetd's TCP listener instead, as https://HOST:7070")->type_name("URL");
    app_.add_option("--token-file", options_.token_file, "bearer token for --url")->type_name("FILE");
    app_.add_option("--ca-file", options_.ca_file, "certificates to trust for --url")->type_name("FILE");
    app_.add_flag("--json", options_.json, "JSON on standard output; NDJSON for what goes on");
    has_app_ = app_.add_option("--app", raw_.app, "the app; needless where there is only one")->type_name("NAME");
    add_changes();
    add_questions();
    add_daemon();
  }

  void read(int argc, const char* const* argv) {
    app_.parse(argc, argv);
    if (has_app_->count() != 0) options_.app = raw_.app;
    take(number_, raw_.number, options_.number);
    take({release_}, raw_.release, options_.release);
    take({since_}, raw_.since, options_.since);
    options_.timeout = std::chrono::milliseconds(raw_.timeout);
    options_.max = std::chrono::milliseconds(raw_.max);
    options_.wait = !raw_.no_wait;
    options_.workers = !raw_.no_workers;
    options_.binary = absolute_build(options_.binary, around_.directory);
    const bool names_build = options_.verb == Verb::deploy || options_.verb == Verb::plan;
    if (names_build && options_.build.empty() && !options_.latest) throw CLI::RequiredError("build");
    options_.build = absolute_build(options_.build, around_.directory);
  }

  Ended end(const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app_.exit(error, out, err);
    if (code == 0) return {0, out.str(), ""};
    return {static_cast<int>(Exit::usage), "", "fleetctl: " + err.str()};
  }

 private:
  CLI::App* verb(const char* name, const char* what, Verb verb) {
    auto* command = app_.add_subcommand(name, what);
    command->fallthrough();
    command->callback([this, verb] { options_.verb = verb; });
    return command;
  }

  void add_wait(CLI::App* command, bool may_return = true) {
    if (may_return) command->add_flag("--no-wait", raw_.no_wait, "return as soon as it is under way");
    auto* timeout = command->add_option("--timeout", raw_.timeout, "how long to wait: 90s, 5m (5m)");
    timeout->transform(duration_within(milliseconds(0), std::chrono::hours(24)))->option_text("DURATION");
  }

  void add_build(CLI::App* command) {
    auto* build = command->add_option("build", options_.build, "http, https, s3 or file URL, or a path");
    build->type_name("BUILD");
    auto* latest = command->add_flag("--latest", options_.latest, "the last build, from the app's source");
    latest->excludes(build);
    command->add_flag("--force", options_.force, "also of a lower version than the current");
    command->add_option("--sha256", options_.sha256, "refuse an artifact of another digest")->type_name("HEX");
  }

  void add_changes() {
    auto* deploy = verb("deploy", "deploy a build: fetch, start, wait until healthy, switch, drain", Verb::deploy);
    add_build(deploy);
    deploy->add_flag("--if-changed", options_.if_changed, "not, if the source is as when it was last deployed from");
    add_wait(deploy);
    auto* rollback = verb("rollback", "go back to the release before, or to RELEASE", Verb::rollback);
    number_.push_back(
        rollback->add_option("release", raw_.number, "its number")->type_name("RELEASE")->transform(strip_v()));
    add_wait(rollback);
    add_wait(verb("restart", "new instances of the same release, without a gap", Verb::restart));
    auto* abort = verb("abort", "stop a deployment that has not switched yet", Verb::abort);
    number_.push_back(
        abort->add_option("deployment", raw_.number, "its number; the app's running one")->type_name("ID"));
    auto* follow = verb("follow", "watch a deployment to its end, as deploy does", Verb::follow);
    number_.push_back(
        follow->add_option("deployment", raw_.number, "its number; the app's running one")->type_name("ID"));
    add_wait(follow, false);
    auto* hold = verb("hold", "let the app's requests wait, for maintenance of a database, say", Verb::hold);
    auto* max = hold->add_option("--max", raw_.max, "at most so long, 1s to 1h (30s); then they go on by themselves");
    max->transform(duration_within(std::chrono::seconds(1), std::chrono::hours(1)))->option_text("DURATION");
    verb("unhold", "let the requests of a held app go on", Verb::unhold);
  }

  void add_questions() {
    auto* plan = verb("plan", "fetch and verify a build, and say what deploying it would change", Verb::plan);
    add_build(plan);
    add_wait(plan, false);
    auto* status = verb("status", "what runs", Verb::status);
    status->add_flag("-w,--watch", options_.watch, "again each second, until Ctrl-C");
    verb("releases", "the releases there are to go back to", Verb::releases);
    add_pin("pin", "keep a release until it is unpinned", Verb::pin);
    add_pin("unpin", "let a release go once it need not be kept", Verb::unpin);
    auto* gc = verb("gc", "remove the releases that need not be kept, and what killed fetches have left", Verb::gc);
    gc->add_flag("--dry-run", options_.dry_run, "say what would go, and how much that gives back");
    auto* logs = verb("logs", "what an app's instances wrote, or its access log", Verb::logs);
    logs->add_option_function<std::string>("name", [this](const std::string& name) { options_.app = name; }, "the app, as by --app")
        ->type_name("APP")
        ->excludes(has_app_);
    auto* access = logs->add_flag("--access", options_.access, "the lines of its access log, as they stand there");
    logs->add_flag("-f,--follow", options_.follow, "and what they write from now on");
    release_ =
        logs->add_option("--release", raw_.release, "only of this release")->type_name("RELEASE")->transform(strip_v());
    release_->excludes(access);
    logs->add_option("-n,--lines", options_.lines, "the newest, at most (100)")
        ->check(CLI::Range(1u, 10000u))
        ->type_name("N");
    auto* events = verb("events", "what happened", Verb::events);
    events->add_flag("-f,--follow", options_.follow, "what happens from now on");
    since_ = events->add_option("--since", raw_.since, "after this event's number")->type_name("SEQ");
  }

  void add_pin(const char* name, const char* what, Verb which) {
    auto* command = verb(name, what, which);
    number_.push_back(
        command->add_option("release", raw_.number, "its number")->required()->type_name("RELEASE")->transform(strip_v()));
  }

  void add_daemon() {
    auto* config = app_.add_subcommand("config", "the configuration file");
    config->require_subcommand(1)->fallthrough();
    auto* check = config->add_subcommand("check", "say what is wrong with a file; needs no fleetd");
    check->fallthrough();
    check->callback([this] { options_.verb = Verb::config_check; });
    check->add_option("file", options_.file, "fleet.toml")->required()->type_name("FILE");
    auto* route = app_.add_subcommand("route", "the routing of requests");
    route->require_subcommand(1)->fallthrough();
    auto* ask = route->add_subcommand("check", "say what a request would get, and why");
    ask->fallthrough();
    ask->callback([this] { options_.verb = Verb::route_check; });
    ask->add_option("address", options_.asked_url, "http or https URL, as the client asks for it")->required()->type_name("URL");
    ask->add_option("--method", options_.method, "of the request (GET)")->type_name("METHOD");
    ask->add_option("--header", options_.headers, "a field of it; as often as wanted")->type_name("\"NAME: VALUE\"")->expected(1)->take_all();
    ask->add_option("--from", options_.from, "the client's address (127.0.0.1)")->type_name("ADDRESS");
    auto* proxy = app_.add_subcommand("proxy", "the proxy workers");
    proxy->require_subcommand(1)->fallthrough();
    auto* upgrade = proxy->add_subcommand("upgrade", "replace them by the program as it is on disk, without a gap");
    upgrade->fallthrough();
    upgrade->callback([this] { options_.verb = Verb::proxy_upgrade; });
    verb("reload", "read the configuration again", Verb::reload);
    add_upgrade();
    auto* doctor = verb("doctor", "look for what is not as it should be on this machine, and say how to mend it", Verb::doctor);
    doctor->add_option("--config", options_.config, "fleet.toml, where fleetd does not run to say it (/etc/fleet/fleet.toml)")->type_name("FILE");
    auto* shutdown = verb("shutdown", "end fleetd; everything goes on serving", Verb::shutdown);
    shutdown->add_flag("--apps", options_.apps, "drain the proxy and stop all applications too");
    add_wait(shutdown, false);
  }

  void add_upgrade() {
    auto* upgrade = verb("upgrade", "have fleetd, then the proxy workers, replaced by the programs as they are on disk", Verb::upgrade);
    upgrade->add_option("--binary", options_.binary, "another fleetd, with its other programs beside it")->type_name("PATH");
    upgrade->add_flag("--no-workers", raw_.no_workers, "fleetd alone");
    add_wait(upgrade, false);
  }

  // Releases are shown as v42, and may be said so.
  static CLI::Validator strip_v() {
    return CLI::Validator(
        [](std::string& text) {
          if (text.starts_with('v')) text.erase(0, 1);
          return std::string();
        },
        "");
  }

  static void take(const std::vector<CLI::Option*>& given, std::uint64_t value, std::optional<std::uint64_t>& to) {
    for (const auto* option : given) {
      if (option->count() != 0) to = value;
    }
  }

  Options& options_;
  const Surroundings& around_;
  CLI::App app_{"Deploys without losing a request, and says what runs."};
  Raw raw_;
  CLI::Option* has_app_ = nullptr;
  std::vector<CLI::Option*> number_;
  CLI::Option *release_ = nullptr, *since_ = nullptr;
};

}  // namespace

Surroundings surroundings() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  std::error_code ignored;
  return {::geteuid() == 0, variable("FLEET_SOCKET"), variable("XDG_RUNTIME_DIR"),
          std::filesystem::current_path(ignored).string()};
}

std::string absolute_build(const std::string& build, const std::string& directory) {
  if (build.empty() || build.find("://") != std::string::npos) return build;
  return (std::filesystem::path(directory) / build).lexically_normal().string();
}

std::expected<Options, Ended> parse(int argc, const char* const* argv, const Surroundings& around) {
  Options options;
  CommandLine line(options, around);
  try {  // CLI11's own way to say so
    line.read(argc, argv);
  } catch (const CLI::ParseError& error) {
    return std::unexpected(line.end(error));
  }
  return options;
}

}  // namespace fleet::ctl
