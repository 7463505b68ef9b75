#include "config/keys.hpp"

#include "config/fetch_keys.hpp"
#include "config/rule_keys.hpp"
#include "config/table.hpp"
#include "config/values.hpp"

namespace fleet::config {
namespace {

using namespace std::chrono_literals;

const Keys<Config>& fleet_keys() {
  static const Ports ports;
  const auto read_ports = [](const Node& node, Config& config, const Context& context) {
    PortRange range{config.port_first, config.port_last};
    ports.read(node, range, context);
    config.port_first = range.first, config.port_last = range.last;
  };
  const std::string default_ports = ports.show({Config{}.port_first, Config{}.port_last});
  static const Keys<Config> keys{
      key("state_dir", &Config::state_dir, kFile,
          "Releases, logs and the database that fleetd recovers from. Made when missing.")
          .otherwise("/var/lib/fleet for root, else $XDG_STATE_HOME/fleet, else ~/.local/state/fleet"),
      key("run_dir", &Config::run_dir, kFile,
          "Sockets, among them fleetd.sock, on which fleetctl talks to fleetd. Made when missing. Keep it short: "
          "together with the longest name of an app it may have 80 bytes, as sockets' paths are limited.")
          .otherwise("/run/fleet for root, else $XDG_RUNTIME_DIR/fleet, else run in state_dir"),
      Key<Config>{{"ports", ports.type(), ports.range(), default_ports,
                   "Loopback ports that are handed to instances. There must be enough for every instance of every app "
                   "and for one more release of the largest."},
                  read_ports},
      key("allow_root", &Config::allow_root, Boolean{},
          "Accepts that applications without a user of their own run as root when fleetd does; without it fleetd warns of it "
          "at each start. A fleetd that is not root runs everything as itself."),
      key("fetch_user", &Config::fetch_user, kUser,
          "Who reads what comes from build servers and unpacks it, where fleetd is root. The user needs to be able to do nothing "
          "at all, but to read the certificates that servers are checked against.")
          .otherwise("fleet-fetch, where there is such a user, else nobody"),
      key("file_roots", &Config::file_roots, ListOf<Text>{kFile, 0, 64},
          "Local builds (paths and file URLs) are deployed only from beneath these folders, whoever asks, and symlinks lead "
          "nowhere else. Where there are none, who asks over the unix socket may name any file, and so may an app's source; who asks "
          "over TCP, none."),
  };
  return keys;
}

const Keys<ApiConfig>& api_keys() {
  static const Keys<ApiConfig> keys{
      key("listen", &ApiConfig::listen, Maybe<Listen>{},
          "Serve the API on TCP as well as on the unix socket. Without a token it answers GET of status, metrics and "
          "health only. Off loopback, token_file, certificate and key are required."),
      key("token_file", &ApiConfig::token_file, kFile, "A file with the bearer token that opens the rest of the API."),
      key("certificate", &ApiConfig::certificate, kFile, "PEM certificate of the TCP listener, which makes it HTTPS."),
      key("key", &ApiConfig::key, kFile, "PEM private key of that certificate."),
  };
  return keys;
}

const Keys<ProxyTimeouts>& timeout_keys() {
  static const Keys<ProxyTimeouts> keys{
      key("handshake", &ProxyTimeouts::handshake, Duration{100ms, 5min}, "For a TLS handshake."),
      key("head", &ProxyTimeouts::head, Duration{100ms, 5min},
          "For a whole request head, and for a PROXY header; a client that sent part of a head gets 408."),
      key("client", &ProxyTimeouts::client, Duration{100ms, 24h},
          "A client that neither sends nor takes anything for so long in the midst of a request is given up."),
      key("keep_alive", &ProxyTimeouts::keep_alive, Duration{100ms, 24h}, "A connection may idle so long between requests."),
      key("connect", &ProxyTimeouts::connect, Duration{10ms, 5min}, "For a connection to an instance."),
      key("upstream", &ProxyTimeouts::upstream, Duration{10ms, 24h},
          "An instance may take so long for the first byte of an answer, and between its bytes; then 504."),
      key("pool", &ProxyTimeouts::pool, Duration{10ms, 1h},
          "An idle connection to an instance is kept so long. Shorter than the application's own limit."),
  };
  return keys;
}

const Keys<ProxyLimits>& limit_keys() {
  static const Keys<ProxyLimits> keys{
      key("connections", &ProxyLimits::connections, Integer{1, 1'000'000},
          "Clients' connections of one worker. When there are more, idle ones are closed, first of the address that has "
          "most; when all are busy, new ones wait. Never more than descriptors allow."),
      key("connections_per_address", &ProxyLimits::connections_per_address, Integer{1, 1'000'000},
          "Likewise, from one address or IPv6 network of /64; further ones are closed at once. Trusted proxies may have "
          "any number."),
      key("head", &ProxyLimits::head, Integer{1024, 49'152}, "Bytes of a request head; more is answered by 431."),
      key("fields", &ProxyLimits::fields, Integer{8, 128}, "Fields of a request head; more are answered by 431."),
      key("min_rate", &ProxyLimits::min_rate, Integer{0, 1'000'000},
          "Bytes per second that a client must send of a body, or take of an answer, for as long as it is what is waited "
          "for; one that does not, over any span of timeouts.client, is given up. 0: any rate will do."),
  };
  return keys;
}

const Keys<ProxyConfig>& proxy_keys() {
  constexpr auto kSettings = &ProxyConfig::settings;
  static const Keys<ProxyConfig> keys{
      key("workers", &ProxyConfig::workers, Integer{1, 256}, "Worker processes that share the listeners.")
          .otherwise("one per core that fleetd may use"),
      key("http", &ProxyConfig::http, ListOf<Listen>{{}, 0, 64}, "Addresses for plain HTTP."),
      key("https", &ProxyConfig::https, ListOf<Listen>{{}, 0, 64},
          "Addresses for HTTPS. Without any [[tls]] they use a self-signed certificate for localhost."),
      within(kSettings, key("trusted", &ProxySettings::trusted, ListOf<Text>{kCidr},
                            "Where the load balancers and proxies before fleet connect from. What they say of a client "
                            "(X-Forwarded-*, Forwarded, PROXY headers) is believed; what others say is replaced.")),
      within(kSettings, key("forwarded_header", &ProxySettings::forwarded_header, OneOf<ForwardedHeader>{},
                            "What trusted proxies write: \"x-forwarded\": X-Forwarded-For, -Proto, -Host and -Port "
                            "(Forwarded counts where there is no X-Forwarded-For); \"forwarded\": Forwarded of RFC 7239 "
                            "alone. The others reach the application as made from these.")),
      within(kSettings, key("proxy_protocol", &ProxySettings::proxy_protocol, ListOf<Listen>{{}, 0, 64},
                            "Those of the addresses in http and https on which every connection begins with a PROXY "
                            "header, version 1 or 2, before TLS. Connections without one, and those that do not come from "
                            "`trusted`, are closed.")),
      within(kSettings, key("ready_path", &ProxySettings::ready_path, kUrlPath,
                            "GET of this path, of any host, is answered by the proxy itself: 200 when an app is ready, 503 "
                            "when none is or fleet is shutting down. For the health checks of a balancer in front.")),
      key("access_log_size", &ProxyConfig::access_log_size, Size{},
          "An app's access.log that has grown so large is put aside as access.log.1, and a new one begun. logrotate(8) may "
          "do it instead: a file that it has moved away is followed by a new one within seconds, or at once after fleetctl "
          "reload (its copytruncate would lose lines); this should then be more than it lets the file grow to."),
      key("access_log_keep", &ProxyConfig::access_log_keep, Integer{0, 1000},
          "So many are kept besides, access.log.1 being the newest; older ones are removed."),
      section<ProxyConfig>("timeouts",
                           [](const Node& node, ProxyConfig& proxy, const Context& context) {
                             read_table(node, proxy.settings.timeouts, timeout_keys(), context);
                           }),
      section<ProxyConfig>("limits",
                           [](const Node& node, ProxyConfig& proxy, const Context& context) {
                             read_table(node, proxy.settings.limits, limit_keys(), context);
                           }),
  };
  return keys;
}

const Keys<TlsConfig>& tls_keys() {
  static const Keys<TlsConfig> keys{
      key("certificate", &TlsConfig::certificate, kFile, "PEM file: the leaf certificate first, then the chain.")
          .required(),
      key("key", &TlsConfig::key, kFile, "PEM private key of the leaf, without a passphrase.").required(),
      key("chain", &TlsConfig::chain, OneOf<ChainEnd>{},
          "\"complete\": the chain in the file leads to a root that this machine trusts, or holds its own root; a missing "
          "intermediate is an error. \"private\": clients of a CA of your own know the rest."),
  };
  return keys;
}

// `name = true` chooses that kind.
Key<HealthConfig> choice(std::string name, HealthKind kind, std::string meaning) {
  const auto read = [kind](const Node& node, HealthConfig& health, const Context& context) {
    bool chosen = false;
    if (Boolean{}.read(node, chosen, context) && chosen) health.kind = kind;
  };
  return {{std::move(name), Boolean{}.type(), Boolean{}.range(), "false", std::move(meaning)}, read};
}

const Keys<HealthConfig>& health_keys() {
  static const Keys<HealthConfig> keys{
      key("path", &HealthConfig::path, kHealthPath,
          "Healthy when GET of this path is answered by 200 to 399. Excludes tcp, command and notify."),
      choice("tcp", HealthKind::tcp, "Healthy when the port accepts a connection."),
      key("command", &HealthConfig::command, ListOf<Text>{kArgument, 1, 256},
          "Healthy when this command exits with 0. Placeholders as in the app's command.")
          .then([](HealthConfig& health) { health.kind = HealthKind::command; }),
      choice("notify", HealthKind::notify, "Healthy once the application has sent READY=1 (sd_notify(3))."),
      key("interval", &HealthConfig::interval, Duration{10ms, 1h},
          "From one probe to the next. The first probes of a new instance come within milliseconds."),
      key("timeout", &HealthConfig::timeout, Duration{10ms, 10min}, "A probe that takes longer has failed."),
      key("healthy", &HealthConfig::healthy, Integer{1, 100}, "Consecutive successes before an instance joins."),
      key("unhealthy", &HealthConfig::unhealthy, Integer{1, 100},
          "Consecutive failures before an instance leaves rotation."),
      key("unhealthy_restart", &HealthConfig::unhealthy_restart, Duration{0ms, 24h},
          "An instance that has been out of rotation for so long is stopped and started anew, as one that crashed. 0s: never."),
      key("start_timeout", &HealthConfig::start_timeout, Duration{100ms, 24h},
          "A new instance that is not healthy by then has failed."),
  };
  return keys;
}

const Keys<DrainConfig>& drain_keys() {
  static const Keys<DrainConfig> keys{
      key("timeout", &DrainConfig::timeout, Duration{0ms, 24h},
          "How long requests in flight may take to end before the instance is stopped."),
      key("streams", &DrainConfig::streams, Maybe<Duration>{{0ms, 24h}},
          "The same for WebSockets, other tunnels and server-sent events, which may never end by themselves. A WebSocket "
          "gets a Close frame with 1012 (service restart). They are ended by turns over the last tenth of this time, so that "
          "not all clients come back at once.")
          .otherwise("timeout"),
      key("stop_signal", &DrainConfig::stop_signal, kSignal, "Asks the application to stop."),
      key("stop_timeout", &DrainConfig::stop_timeout, Duration{0ms, 1h}, "Then SIGKILL to its whole process tree."),
  };
  return keys;
}

const Keys<HoldConfig>& hold_keys() {
  static const Keys<HoldConfig> keys{
      key("timeout", &HoldConfig::timeout, Duration{0ms, 10min},
          "A request waits so long for an instance that takes it, then it gets 503 with Retry-After. 0s: it does not wait."),
      key("max_requests", &HoldConfig::max_requests, Integer{0, 100'000},
          "So many may wait in each worker; further ones get the 503 at once, and so do those of all apps for whom 256 MiB "
          "do not suffice: 128 KiB each, for its head and for what comes of its body meanwhile."),
      key("answer", &HoldConfig::answer, ListOf<Text>{kUrlPath, 0, 16},
          "GET and HEAD of these paths are answered with 200 by the proxy itself while requests wait: for the health "
          "checks of a balancer in front, which shall not take this machine out for it."),
  };
  return keys;
}

const Keys<DeployConfig>& deploy_keys() {
  static const Keys<DeployConfig> keys{
      key("watch", &DeployConfig::watch, Duration{0ms, 24h},
          "Crashes of the app so soon after a deploy, rollback or restart has switched count against it: its record says how "
          "many. 0s: they do not."),
      key("crashes", &DeployConfig::crashes, Integer{1, 1000},
          "So many, of all instances together, make it unstable: its record, status and an event say so."),
      key("rollback_on_crash", &DeployConfig::rollback_on_crash, Boolean{},
          "A deploy that is unstable is rolled back to the release before it, by \"fleetd\", once: neither a rollback nor a "
          "restart is rolled back."),
  };
  return keys;
}

// NAME and NAME_timeout.
void add_hook(Keys<HooksConfig>& keys, const char* name, HookConfig HooksConfig::*hook, std::string meaning) {
  keys.push_back(within(hook, key(name, &HookConfig::command, ListOf<Text>{kArgument, 1, 256}, std::move(meaning))));
  keys.push_back(within(hook, key(std::string(name) + "_timeout", &HookConfig::timeout, Duration{100ms, 24h},
                                  "Then it is killed, with all that it has started, and has failed.")));
}

const Keys<HooksConfig>& hook_keys() {
  static const Keys<HooksConfig> keys = [] {
    Keys<HooksConfig> all;
    add_hook(all, "pre_start", &HooksConfig::pre_start,
             "Before any instance of a deploy is started, once for all of them: migrations, for example. Not of a rollback or "
             "restart. If it fails, so does the deploy, and nothing has changed.");
    add_hook(all, "pre_switch", &HooksConfig::pre_switch,
             "When all new instances are healthy, before any request is sent to them: a test of {port} or {socket}, which are "
             "the first one's. If it fails, so does the deploy, and nothing has changed.");
    add_hook(all, "post_switch", &HooksConfig::post_switch,
             "When every worker sends requests to the new instances. {port} and {socket} are the first one's. If it fails, that "
             "is told, and the deploy goes on.");
    add_hook(all, "pre_stop", &HooksConfig::pre_stop,
             "When the instances of the former release that served have finished what they had, before they are told to stop; "
             "{port} and {socket} are the first one's. It runs in the former release. If it fails, that is told, and they are "
             "stopped.");
    add_hook(all, "on_failure", &HooksConfig::on_failure,
             "When a deploy, rollback or restart has failed or was aborted before the switch, and its instances are gone. It "
             "runs in the release that failed or, when that could not be fetched, in the current one. If it fails, that is told.");
    return all;
  }();
  return keys;
}

const Keys<LogConfig>& log_keys() {
  static const Keys<LogConfig> keys{
      key("size", &LogConfig::size, Size{}, "A log that has grown so large is put aside as .1, and a new one begun."),
      key("keep", &LogConfig::keep, Integer{0, 1000}, "So many of each instance are kept besides, .1 being the newest."),
      key("compress", &LogConfig::compress, OneOf<LogCompression>{},
          "\"gzip\": those put aside are compressed, to .1.gz and so on, a minute later and at the lowest priority."),
      key("journal", &LogConfig::journal, Boolean{},
          "Lines go to systemd's journal as well, with FLEET_APP, FLEET_RELEASE and FLEET_INSTANCE: journalctl FLEET_APP=NAME. "
          "Those for which it has no room are dropped there, and the log says how many."),
  };
  return keys;
}

constexpr const char* kAssetsMeaning =
    "assets = { \"/assets/\" = \"public/assets\" }: a page of the former release asks, after a switch, for the files of that "
    "release. When the app answers GET or HEAD below such a path (as the app sees it) with 404, the file is looked for in that "
    "folder of the releases that are kept, the newest first, 8 at most, and given from there; else the app's 404 stands. It "
    "is not given through symbolic links, nor where a name begins with a dot, and may be cached for an hour. Besides those "
    "that a build names (fleet-app.toml(5)); of one path these go before.";

// With what an app's table has in common with those of its routes, and what it says of builds.
Keys<AppConfig> with_rules(Keys<AppConfig> keys) {
  for (const auto& build : build_keys()) keys.push_back(within(&AppConfig::fetch, Key<FetchConfig>(build)));
  for (const auto& rule : rule_keys()) keys.push_back(within(&AppConfig::rules, Key<Rules>(rule)));
  keys.push_back(section<AppConfig>("route", [](const Node&, AppConfig&, const Context&) {}));  // see read_routes
  return keys;
}

const Keys<AppConfig>& app_keys() {
  constexpr auto kBalancing = &AppConfig::balancing;
  constexpr auto kRun = &AppConfig::run;
  constexpr auto kKeep = &AppConfig::keep;
  static const Keys<AppConfig> keys = with_rules({
      key("hosts", &AppConfig::hosts, ListOf<Text>{kHostPattern},
          "Names that the app answers to; none: any host. \"*.example.com\" is every name below example.com, of one label or "
          "more; an exact name goes before it, and the wildcard with the longest name before the others."),
      key("path", &AppConfig::path, kUrlPath,
          "Prefix, of whole segments, that the app answers to. The longest wins between apps of one host."),
      key("https_redirect", &AppConfig::https_redirect, OneOf<HttpsRedirect>{},
          "Answer plain HTTP by a redirect to https: to the same URI, or to the home page."),
      key("command", &AppConfig::command, ListOf<Text>{kArgument, 1, 256},
          "Program and arguments, without a shell. A program with a slash is relative to the unpacked release, in "
          "which it starts. {port} {socket} {release} {release_dir} {instance} {data_dir} are replaced; {{ is a literal brace. "
          "Not set: what the build says (fleet-app.toml(5)); a build that does not say is not deployed."),
      key("env", &AppConfig::env, Variables{},
          "Environment, besides what fleet sets: PORT or FLEET_SOCKET_PATH, FLEET_APP, FLEET_RELEASE (v7), FLEET_SHA256 (of "
          "the build) and FLEET_INSTANCE."),
      key("env_file", &AppConfig::env_file, kFile,
          "A file with lines NAME=VALUE of further environment, whose values nobody else shall know: it is read each time "
          "something of the app is started, and nothing of it is shown or recorded. Values may stand in quotes; nothing in them "
          "is replaced; # begins a comment. The file must be root's or fleetd's own, and not open to others. It goes before "
          "env, and secrets before it."),
      key("secrets", &AppConfig::secrets, Secrets{},
          "Environment that is read likewise, each variable from a file of its own, or from a credential that systemd has given "
          "fleetd (LoadCredential=). A line's end at the end of the file is not part of the value. A changed value is taken up "
          "by fleetctl restart."),
      key("instances", &AppConfig::instances, Integer{1, 64}, "Processes that share the requests."),
      key("assets", &AppConfig::assets, AssetFolders{}, kAssetsMeaning),
      key("rewrite_redirects", &AppConfig::rewrite_redirects, Boolean{},
          "Whether redirects of the application to its own http address become redirects to the address that the "
          "client used."),
      within(kKeep, key("keep_releases", &KeepConfig::releases, Integer{0, 100},
                        "Releases kept for rollback, besides the current one, the one before it, those that still run and "
                        "those that are pinned (fleetctl pin).")),
      within(kKeep, key("keep_age", &KeepConfig::age, Duration{1min, 87600h},
                        "Of those kept for rollback, such as were fetched longer ago are removed.")
                        .otherwise("any age")),
      within(kKeep, key("keep_bytes", &KeepConfig::bytes, Size{},
                        "Of those kept for rollback the oldest are removed while all of the app's releases together have "
                        "more bytes, unpacked. Not set: no limit.")),
      key("access_log", &AppConfig::access_log, OneOf<AccessLog>{},
          "How the requests of this app are logged in log/NAME/access.log in state_dir: a JSON object a line, the "
          "combined format of Apache and nginx, or not at all."),
      section<AppConfig>("health",
                         [](const Node& node, AppConfig& app, const Context& context) {
                           app.health_given = true;
                           read_table(node, app.health, health_keys(), context);
                         }),
      within(kBalancing, key("balance", &Balancing::by, OneOf<Balance>{},
                             "Which instance gets a request: the one with the fewest in flight, each in turn, or always the "
                             "same for the same value of hash_by (rendezvous hashing: when an instance leaves, only what it "
                             "had moves). One that refuses connections three times in a row is passed over for a second, "
                             "unless it is the last; see also eject_failing.")),
      within(kBalancing, key("hash_by", &Balancing::hash_by, kHashBy,
                             "What balance = \"hash\" goes by. Requests that have it not are shared out as by "
                             "\"least-in-flight\".")),
      within(kBalancing, key("eject_failing", &Balancing::eject_failing, Boolean{},
                             "Pass over an instance that does not answer or answers 500 and more, three times at least and "
                             "far more often than the app's other instances, in a worker that has seen both: for a second, "
                             "then for twice as long each time, up to 30. The last one is never passed over, and what fails "
                             "everywhere ejects nobody.")),
      within(kBalancing, key("slow_start", &Balancing::slow_start, Duration{0ms, 1h},
                             "An instance that joins others begins with a tenth of its share, which grows to the whole in "
                             "this time. Those of a new release, which all begin at once, share alike.")),
      key("listen", &AppConfig::listen, OneOf<Listens>{},
          "\"unix\": instances listen on the unix socket {socket} (also FLEET_SOCKET_PATH) and not on {port}, which costs less "
          "for each request."),
      within(kRun, key("user", &RunConfig::user, kUser,
                       "The app's processes run as this user, with all groups that it is in, and so do health checks that "
                       "are commands. The user can read the app's releases and own the app's {data_dir}, and nothing else "
                       "of fleet's. Only for a fleetd that is root, and not with listen = \"unix\".")
                      .otherwise("fleetd's own")),
      within(kRun, key("group", &RunConfig::group, kGroup, "Instead of the user's own group.").otherwise("the user's")),
      within(kRun, key("memory_max", &RunConfig::memory_max, Size{},
                       "Memory of an instance with all its processes; when that does not suffice, the kernel kills it, and "
                       "fleet says that it ran out of memory. Without a cgroup whose memory controller is fleetd's: writable "
                       "memory of each process (RLIMIT_DATA); what it asks for beyond, it does not get. Not set: as fleetd.")),
      within(kRun, key("pids_max", &RunConfig::processes_max, Integer{0, 4'194'304},
                       "Processes and threads of an instance. Without a cgroup whose pids controller is fleetd's: of the "
                       "app's user, in all its instances (RLIMIT_NPROC); one without user then has none, of which fleetd "
                       "warns. 0: as fleetd.")),
      within(kRun, key("cpu_max", &RunConfig::cpu_max, Cores{},
                       "Cores that an instance with all its processes may keep busy, as 1.5. Has no effect without a cgroup "
                       "whose cpu controller is fleetd's, of which fleetd then warns.")),
      within(kRun, key("private_tmp", &RunConfig::private_tmp, Boolean{},
                       "Each instance has folders of its own as /tmp and /var/tmp, which are removed when it has ended. Only "
                       "for a fleetd that is root, and not with state_dir or run_dir in one of these.")),
      within(kRun, key("read_only", &RunConfig::read_only, Boolean{},
                       "All files are read-only to the app's processes, but for {data_dir}, the folder of {socket}, those of "
                       "private_tmp, /dev and /proc. Only for a fleetd that is root.")),
      within(kRun, key("open_files", &RunConfig::open_files, Integer{0, 1'048'576},
                       "Descriptors of each process (RLIMIT_NOFILE). 0: as fleetd.")),
      key("depends_on", &AppConfig::depends_on, ListOf<Text>{kAppName, 0, 64},
          "Apps that are to have an instance in rotation before this one is started, when fleetd starts and nothing runs: after "
          "the machine's restart, or fleetctl shutdown --apps, which stops them in the reverse order. Apps that do not depend "
          "on each other start at the same time. One that was never deployed is not waited for. Deploys do not wait."),
      key("start_wait", &AppConfig::start_wait, Duration{0ms, 1h},
          "For those in depends_on it is waited so long; then the app is started all the same, and fleetd warns of it. Its "
          "requests are held meanwhile, for hold.timeout each."),
      section("drain", &AppConfig::drain, drain_keys()),
      section("hold", &AppConfig::hold, hold_keys()),
      section("deploy", &AppConfig::deploy, deploy_keys()),
      section("hooks", &AppConfig::hooks, hook_keys()),
      section("fetch", &AppConfig::fetch, fetch_keys()),
      section("log", &AppConfig::log, log_keys()),
  });
  return keys;
}

// What may stand in a build: nothing of who it is run as, what it may take of the machine, or where it is served.
const Keys<HealthConfig>& build_health_keys() {
  static const Keys<HealthConfig> keys = [] {
    Keys<HealthConfig> some;
    for (const auto& k : health_keys()) {
      const auto& name = k.reference.name;
      if (name != "interval" && name != "start_timeout" && name != "unhealthy_restart") some.push_back(Key<HealthConfig>(k));
    }
    some.push_back(key("interval", &HealthConfig::interval, Duration{100ms, 1h}, "From one probe to the next."));
    some.push_back(key("start_timeout", &HealthConfig::start_timeout, Duration{100ms, 1h},
                       "A new instance that is not healthy by then has failed."));
    return some;
  }();
  return keys;
}

const Keys<BuildConfig>& app_file_keys() {
  static const Keys<BuildConfig> keys{
      key("command", &BuildConfig::command, ListOf<Text>{kArgument, 1, 256}, "As in fleet.toml(5), and likewise without a shell."),
      key("env", &BuildConfig::env, Variables{}, "Variables that the operator does not set."),
      key("assets", &BuildConfig::assets, AssetFolders{},
          "Folders of this build whose files are given when a later release answers 404, as in fleet.toml(5); of paths that "
          "the operator does not set."),
      section<BuildConfig>("health",
                           [](const Node& node, BuildConfig& build, const Context& context) {
                             read_table(node, build.health.emplace(), build_health_keys(), context);
                           }),
      section("hooks", &BuildConfig::hooks, hook_keys()),
  };
  return keys;
}

void read_fleet(const Node& node, Config& config, const Context& context) {
  read_table(node, config, fleet_keys(), context);
}

void read_tls(const Node& node, Config& config, const Context& context) {
  const auto* list = std::get_if<Array>(&node.value);
  if (list == nullptr) return context.problem(node.at, "expected [[tls]] tables, not " + type_of(node));
  for (const auto& item : *list) {
    const auto number = std::to_string(config.tls.size() + 1);
    read_table(item, config.tls.emplace_back(), tls_keys(), context.named("tls #" + number));
  }
}

void read_apps(const Node& node, Config& config, const Context& context) {
  const auto* table = std::get_if<Table>(&node.value);
  if (table == nullptr) return context.problem(node.at, "expected [app.NAME] tables, not " + type_of(node));
  for (const auto& [name, at, value] : *table) {
    const auto named = context.named("app " + quote(name));
    if (!is_app_name(name)) named.problem(at, "not a name for an app (a-z, 0-9 and -, at most 63, no - in front)");
    auto& app = config.apps.emplace_back();
    app.name = name;
    read_table(value, app, app_keys(), named);
    read_routes(value, app, named);
    check_fetch(value, app.fetch, named);
  }
  std::ranges::sort(config.apps, {}, &AppConfig::name);
}

const Keys<Config>& root_keys() {
  static const Keys<Config> keys{
      section<Config>("fleet", read_fleet),
      section("api", &Config::api, api_keys()),
      section("proxy", &Config::proxy, proxy_keys()),
      section<Config>("tls", read_tls),
      section<Config>("app", read_apps),
  };
  return keys;
}

template <class S>
SectionReference describe(std::string heading, std::string meaning, const Keys<S>& keys) {
  SectionReference section{std::move(heading), std::move(meaning), {}};
  for (const auto& k : keys) {
    if (!k.section) section.keys.push_back(k.reference);
  }
  return section;
}

}  // namespace

void read_config(const Node& document, Config& config, const Context& context) {
  read_table(document, config, root_keys(), context);
}

void read_app_file(const Node& document, BuildConfig& build, const Context& context) {
  read_table(document, build, app_file_keys(), context);
}

std::vector<SectionReference> app_file_reference() {
  return {
      describe("At the top", "How an instance is started.", app_file_keys()),
      describe("[health]", "How fleet knows that an instance can take requests: exactly one of path, tcp, command and notify.",
               build_health_keys()),
      describe("[hooks]", "Commands that a deploy of this build runs on its way, as fleet.toml(5) describes them.", hook_keys()),
  };
}

std::vector<SectionReference> reference() {
  std::vector<SectionReference> all{
      describe("[fleet]", "Where fleet keeps its things.", fleet_keys()),
      describe("[api]", "The API is always served on the unix socket fleetd.sock in run_dir, mode 0660.", api_keys()),
      describe("[proxy]", "The reverse proxy in front of all apps.", proxy_keys()),
      describe("[proxy.timeouts]", "How long the proxy waits. A reload changes them without ending a connection.",
               timeout_keys()),
      describe("[proxy.limits]", "How much each worker takes on. A reload changes them without ending a connection.",
               limit_keys()),
      describe("[[tls]]",
               "A certificate for the https listeners; as many as wanted. The server name that the client asks for "
               "chooses: exactly, then by wildcard, else the first is used. Two of one name, ECDSA and RSA, stand side by "
               "side. The files are read again when they change. One that is bad, which fleetctl config check finds, is "
               "refused by itself: its former version stays in use, and so do all others. Of each one's end fleet warns 14 "
               "and 3 days ahead.",
               tls_keys()),
      describe("[app.NAME]",
               "An application; as many as wanted. NAME has lower-case letters, digits and hyphens, at most 63, and "
               "does not begin with a hyphen.",
               app_keys()),
      describe("[app.NAME.health]",
               "How fleet knows that an instance can take requests: exactly one of path, tcp, command and notify. In "
               "rotation, probes of path share a connection where the application keeps it, as the proxy's requests do; "
               "every sixtieth makes a new one, so that an application that takes no more connections is found. It is closed "
               "before the instance leaves rotation.",
               health_keys()),
      describe("[app.NAME.drain]", "How an instance is taken out.", drain_keys()),
      describe("[app.NAME.hold]",
               "How requests wait while the app has no instance that takes them, be it that it crashed or starts, and "
               "while it is held (fleetctl hold). They go on in the order in which they came, few at first.",
               hold_keys()),
      describe("[app.NAME.fetch]", "How the app's builds are fetched, and how large they may be.", fetch_keys()),
      describe("[app.NAME.deploy]", "What crashes soon after a deploy mean for it.", deploy_keys()),
      describe("[app.NAME.hooks]",
               "Commands that a deploy runs on its way, each once, without a shell, as the app's processes are run: as its user, "
               "with its limits and its environment, in the release's folder, besides FLEET_HOOK and FLEET_DEPLOYMENT. On "
               "standard input each gets one JSON object with hook, app, deployment, kind (deploy, rollback, restart), "
               "requested_by, release and previous_release (numbers or null), url, sha256 and version of the build, instances "
               "(id, pid, port, socket of each that it is about), and error (kind, text, exit_code, signal; null unless it is "
               "on_failure). Exit code 0 is success. What it writes is a log as an instance's, of 1 MiB at most and one former "
               "file, shown by fleetctl logs; its last 20 lines are on the deployment's record. "
               "Placeholders are as in the app's command; {port}, {socket} and {instance} only where instances are what it is "
               "about. While it runs fleetd may be killed or upgraded: the command goes on to its end or timeout, and the next "
               "fleetd takes its result. Should nobody know how it ended, it has failed. Only one that fleetd had on record and "
               "that is not known to have run is begun a second time, and an event says so.",
               hook_keys()),
      describe("[app.NAME.log]",
               "What instances write to standard output and error goes, each line with its time, to log/NAME/INSTANCE.log in "
               "state_dir. Nothing of it ever makes an application wait: lines that cannot be written are dropped, and the log "
               "says how many. New instances go by a change.",
               log_keys()),
  };
  for (auto& section : rule_reference()) all.push_back(std::move(section));
  return all;
}

}  // namespace fleet::config
