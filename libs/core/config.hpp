// What the operator asked for: fleet.toml as plain values with every default filled in. libs/config makes it from text.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"
#include "core/rules.hpp"

namespace fleet {

using std::chrono::milliseconds;

// An IP address (textual, IPv6 without brackets) and a port, as written "0.0.0.0:80" or "[::]:80".
struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  FLEET_FIELDS(Endpoint, address, port)
};
std::string to_string(const Endpoint&);  // "0.0.0.0:80", "[::]:80"
std::optional<Endpoint> parse_endpoint(std::string_view);

struct ApiConfig {
  std::optional<Endpoint> listen;  // absent: unix socket only
  std::string token_file, certificate, key;  // empty: none
  FLEET_FIELDS(ApiConfig, listen, token_file, certificate, key)
};

// How long a worker waits (PROXY-RULES T).
struct ProxyTimeouts {
  milliseconds handshake{5000}, head{10000}, client{30000}, keep_alive{75000};  // of clients
  milliseconds connect{1000}, upstream{60000}, pool{4000};                      // of instances
  FLEET_FIELDS(ProxyTimeouts, handshake, head, client, keep_alive, connect, upstream, pool)
};

// How much a worker takes on.
struct ProxyLimits {
  std::uint32_t connections = 65536, connections_per_address = 16384;
  std::uint32_t head = 32u << 10, fields = 128;  // of a request: bytes, number
  std::uint32_t min_rate = 240;                  // bytes per second that a client must send or take; 0: any
  FLEET_FIELDS(ProxyLimits, connections, connections_per_address, head, fields, min_rate)
};

// Which fields trusted proxies before us write.
enum class ForwardedHeader : std::uint8_t { x_forwarded, forwarded };
FLEET_NAMES(ForwardedHeader, "x-forwarded", "forwarded")

// What all workers are told, and take on at once.
struct ProxySettings {
  ProxyTimeouts timeouts;
  ProxyLimits limits;
  std::vector<std::string> trusted;  // CIDR blocks of the proxies before us
  ForwardedHeader forwarded_header = ForwardedHeader::x_forwarded;
  std::vector<Endpoint> proxy_protocol;  // the listeners on which each connection begins with a PROXY header
  std::string ready_path;                // answered by the worker itself; empty: none
  std::string node;                      // this fleet's name in CDN-Loop, from fleetd; empty: loops are not looked for
  FLEET_FIELDS(ProxySettings, timeouts, limits, trusted, forwarded_header, proxy_protocol, ready_path, node)
};

struct ProxyConfig {
  std::uint32_t workers = 0;  // 0 in the file's absence means one per core; filled in by the loader's caller
  std::vector<Endpoint> http, https;
  ProxySettings settings;
  std::uint64_t access_log_size = 64u << 20;  // bytes
  std::uint32_t access_log_keep = 5;          // of those put aside
  FLEET_FIELDS(ProxyConfig, workers, http, https, settings, access_log_size, access_log_keep)
};

// Where the chain in the file ends: at a root that this machine trusts, or wherever the operator's own clients go on.
enum class ChainEnd : std::uint8_t { complete, private_ };
FLEET_NAMES(ChainEnd, "complete", "private")

struct TlsConfig {
  std::string certificate, key;  // PEM files; certificate: leaf first, then the chain
  ChainEnd chain = ChainEnd::complete;
  FLEET_FIELDS(TlsConfig, certificate, key, chain)
};

enum class AccessLog : std::uint8_t { json, combined, off };
FLEET_NAMES(AccessLog, "json", "combined", "off")

enum class HealthKind : std::uint8_t { http, tcp, command, notify };
FLEET_NAMES(HealthKind, "http", "tcp", "command", "notify")

struct HealthConfig {
  HealthKind kind = HealthKind::http;
  std::string path = "/";             // http
  std::vector<std::string> command;   // command
  milliseconds interval{1000}, timeout{2000}, start_timeout{60000};
  std::uint32_t healthy = 2, unhealthy = 3;  // consecutive successes to join, failures to leave
  milliseconds unhealthy_restart{300'000};   // 0: never
  FLEET_FIELDS(HealthConfig, kind, path, command, interval, timeout, start_timeout, healthy, unhealthy, unhealthy_restart)
};

struct DrainConfig {
  milliseconds timeout{30000};
  std::string stop_signal = "SIGTERM";
  milliseconds stop_timeout{10000};
  std::optional<milliseconds> streams;  // tunnels and server-sent events; absent: timeout
  FLEET_FIELDS(DrainConfig, timeout, stop_signal, stop_timeout, streams)

  milliseconds of_streams() const { return streams.value_or(timeout); }
};

// How requests are shared out among the targets of an app.
enum class Balance : std::uint8_t { least_in_flight, round_robin, hash };
FLEET_NAMES(Balance, "least-in-flight", "round-robin", "hash")

struct Balancing {
  Balance by = Balance::least_in_flight;
  std::string hash_by;         // hash: "header:NAME" (lower case), "cookie:NAME" or "address"
  milliseconds slow_start{0};  // in which the share of a new target grows to what the others have
  bool eject_failing = true;   // one that fails where the others do not is passed over
  FLEET_FIELDS(Balancing, by, hash_by, slow_start, eject_failing)
};

// How the requests of an app wait while it has no ready target, or is held on purpose.
struct HoldConfig {
  milliseconds timeout{10000};        // 0: they do not wait
  std::uint32_t max_requests = 1000;  // in each worker
  std::vector<std::string> answer;    // paths that the proxy itself answers meanwhile
  FLEET_FIELDS(HoldConfig, timeout, max_requests, answer)
};

// Where instances listen.
enum class Listens : std::uint8_t { tcp, unix_ };
FLEET_NAMES(Listens, "tcp", "unix")

// Who an app's processes are, and what they may take; see Confinement.
struct RunConfig {
  std::string user, group;  // names; user empty: fleetd's own; group empty: the user's
  std::uint64_t memory_max = 0;
  std::uint32_t processes_max = 0, open_files = 0;
  std::uint32_t cpu_max = 0;  // thousandths of a core
  bool private_tmp = false, read_only = false;
  FLEET_FIELDS(RunConfig, user, group, memory_max, processes_max, open_files, cpu_max, private_tmp, read_only)
};

// Where an app's builds come from, and what is asked of them.
struct FetchConfig {
  std::string source;                     // what `fleetctl deploy --latest` deploys; empty: nothing
  milliseconds poll{0};                   // how often it is asked whether there is a later build; 0: never
  std::vector<std::string> trusted_keys;  // minisign's; a build must be signed by one of them; empty: by nobody
  bool allow_insecure = false;            // over http without digest or signature, too
  bool unpack = false;                    // a war or jar, too
  std::uint64_t max_download = 1ull << 30, max_unpacked = 4ull << 30;  // bytes
  std::uint32_t max_entries = 50000, max_depth = 64, max_ratio = 200;
  milliseconds timeout{600000}, stall_timeout{60000};
  std::string authorization_file, netrc;                                   // empty: none
  std::string s3_endpoint, s3_region = "us-east-1", s3_credentials_file;  // endpoint empty: Amazon's
  FLEET_FIELDS(FetchConfig, source, poll, trusted_keys, allow_insecure, unpack, max_download, max_unpacked, max_entries,
               max_depth, max_ratio, timeout, stall_timeout, authorization_file, s3_endpoint, s3_region,
               s3_credentials_file, netrc)
};

// What becomes of the files that an instance's log leaves behind.
enum class LogCompression : std::uint8_t { none, gzip };
FLEET_NAMES(LogCompression, "none", "gzip")

// Of what an app's instances write.
struct LogConfig {
  std::uint64_t size = 16u << 20;  // bytes of one file
  std::uint32_t keep = 1;          // of those put aside
  LogCompression compress = LogCompression::none;
  bool journal = false;  // to systemd's journal as well
  FLEET_FIELDS(LogConfig, size, keep, compress, journal)
};

// What becomes of a deployment whose instances crash soon after the switch.
struct DeployConfig {
  milliseconds watch{300'000};     // so long after the switch crashes count against it; 0: never
  std::uint32_t crashes = 3;       // so many make it unstable
  bool rollback_on_crash = false;  // an unstable deploy is rolled back, once
  FLEET_FIELDS(DeployConfig, watch, crashes, rollback_on_crash)
};

// Commands that a deploy runs on its way, as the app's processes are run.
enum class Hook : std::uint8_t {
  pre_start,    // before any candidate of a deploy is started
  pre_switch,   // once all candidates are healthy
  post_switch,  // once every worker routes to them
  pre_stop,     // once the old instances have finished what they had
  on_failure,   // once what did not come to the switch is undone
};
FLEET_NAMES(Hook, "pre_start", "pre_switch", "post_switch", "pre_stop", "on_failure")

struct HookConfig {
  std::vector<std::string> command;  // empty: none
  milliseconds timeout{300'000};
  FLEET_FIELDS(HookConfig, command, timeout)
};

struct HooksConfig {
  HookConfig pre_start, pre_switch, post_switch, pre_stop, on_failure;
  FLEET_FIELDS(HooksConfig, pre_start, pre_switch, post_switch, pre_stop, on_failure)

  HookConfig& of(Hook hook) { return const_cast<HookConfig&>(std::as_const(*this).of(hook)); }
  const HookConfig& of(Hook hook) const {
    const HookConfig* const all[] = {&pre_start, &pre_switch, &post_switch, &pre_stop, &on_failure};
    return *all[static_cast<std::size_t>(hook)];
  }
};

// How a build wants to be run, by its own fleet-app.toml: where the operator does not say otherwise.
struct BuildConfig {
  std::vector<std::string> command;  // empty: it does not say
  std::optional<HealthConfig> health;
  std::map<std::string, std::string> env;
  HooksConfig hooks;
  std::map<std::string, std::string> assets;
  FLEET_FIELDS(BuildConfig, command, health, env, hooks, assets)
};

// Which releases stay for a rollback, besides the current one, the one before, those that run and those that are pinned.
struct KeepConfig {
  std::uint32_t releases = 5;
  milliseconds age{0};      // since they were fetched; 0: any
  std::uint64_t bytes = 0;  // of all of the app's that are kept, unpacked; 0: any
  FLEET_FIELDS(KeepConfig, releases, age, bytes)
};

struct AppConfig {
  std::string name;
  std::vector<std::string> hosts;  // lower case, no port; empty: any host
  std::string path = "/";
  HttpsRedirect https_redirect = HttpsRedirect::off;
  std::vector<std::string> command;
  std::map<std::string, std::string> env;
  std::uint32_t instances = 1;
  bool rewrite_redirects = true;
  KeepConfig keep;
  HealthConfig health;
  DrainConfig drain;
  Rules rules;                               // of the app's own path
  std::vector<Rules> routes;                 // of paths below it; what they do not say is as in `rules`
  std::map<std::string, std::string> files;  // what the rules name: path -> contents
  AccessLog access_log = AccessLog::json;
  Balancing balancing;
  HoldConfig hold;
  Listens listen = Listens::tcp;
  RunConfig run;
  FetchConfig fetch;
  LogConfig log;
  std::vector<std::string> depends_on;  // apps that are to be ready before this one is started at fleetd's start
  milliseconds start_wait{60'000};      // for them, at most
  DeployConfig deploy;
  HooksConfig hooks;
  std::string env_file;                        // further environment that is not to be known; empty: none
  std::map<std::string, std::string> secrets;  // likewise: variable -> path, or "credential:NAME"
  bool health_given = false;                   // `health` is the operator's, and not to be a build's
  // Files of releases that are kept, for when the current one answers 404: prefix of the path as the application sees it,
  // which begins and ends with a slash -> folder within the release.
  std::map<std::string, std::string> assets;
  FLEET_FIELDS(AppConfig, name, hosts, path, https_redirect, command, env, instances, rewrite_redirects, keep,
               health, drain, rules, routes, files, access_log, balancing, hold, listen, run, fetch, log,
               depends_on, start_wait, deploy, hooks,
               env_file, secrets, health_given, assets)
};

// The operator's settings, with what a build says of the rest: its command, its hooks and its health as far as the operator
// has none (health as a whole), and those of its variables and assets that the operator does not set.
AppConfig merged(const AppConfig& operators, const BuildConfig& build);

struct Config {
  std::string state_dir, run_dir;
  std::uint16_t port_first = 20000, port_last = 29999;  // loopback ports handed to instances
  bool allow_root = false;  // instances may run as root when fleetd does
  std::string fetch_user;   // who fetches builds when fleetd is root; empty: fleet-fetch, else nobody
  std::vector<std::string> file_roots;  // below which local builds must be; empty: anywhere, for who is on this machine
  ApiConfig api;
  ProxyConfig proxy;
  std::vector<TlsConfig> tls;
  std::vector<AppConfig> apps;  // by name
  FLEET_FIELDS(Config, state_dir, run_dir, port_first, port_last, allow_root, fetch_user,
               file_roots, api, proxy, tls, apps)
};

}  // namespace fleet
