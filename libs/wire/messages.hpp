// Every message between fleet's processes, each declared once. A frame on a unix stream socket is
//   u32 length of the payload | u16 type | u16 descriptors sent along | payload (frame.hpp, codec.hpp)
// and descriptors, where a message carries them, travel with the frame's first byte (SCM_RIGHTS).
//
// Rules: types and fields are never renumbered or reordered; a new field goes to the end of its struct, with a default
// that means what was before it (codec.hpp). kProtocol counts changes that an older peer cannot live with. The side that accepts speaks first (Hello), so that the dialler knows whom it has before it commands.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/confinement.hpp"
#include "core/fields.hpp"
#include "core/names.hpp"
#include "core/result.hpp"
#include "core/routes.hpp"

namespace fleet::wire {

constexpr std::uint32_t kProtocol = 2;
constexpr std::size_t kMaxFrame = 64u << 20;  // bytes; a table of 10,000 hosts is about 2 MiB
constexpr std::size_t kMaxFds = 250;         // descriptors in one frame (the kernel takes 253)

#define FLEET_MESSAGE(T, number)                      \
  static constexpr std::uint16_t kType = number;      \
  static constexpr const char* kName = #T;

// ---- fleetd <-> fleet-shim -----------------------------------------------------------------------------------------
// The shim inherits its listening socket as descriptor 3. On each accepted connection it sends ShimStatus; a newer
// connection replaces an older one. A shim that is given nothing to launch within 10 s exits.

enum class ShimState : std::uint8_t { empty, running, exited, failed };  // failed: the program could not be started
FLEET_NAMES(ShimState, "empty", "running", "exited", "failed")

// shim -> fleetd, on connecting and at every change.
struct ShimStatus {
  FLEET_MESSAGE(ShimStatus, 1)
  std::uint32_t protocol = kProtocol;
  std::string version;
  std::string id;                // as given by Launch
  std::uint32_t shim_pid = 0;
  ShimState state = ShimState::empty;
  std::uint32_t pid = 0;         // the program's; 0 when none was started
  std::uint64_t start_time = 0;  // the program's, in clock ticks after boot (proc(5), stat field 22)
  bool ready = false;            // READY=1 has come in over NOTIFY_SOCKET
  std::string notify_status;     // the last STATUS= text, at most 256 bytes
  std::int32_t exit_code = 0;    // exited: its code, or 128 + signal
  std::uint32_t signal = 0;      // exited: the signal that ended it, 0 when it exited by itself
  bool stopping = false;         // a Stop is under way or done
  std::uint64_t max_rss_kib = 0; // exited: getrusage(2)
  milliseconds cpu_time{0};      // exited: user + system
  std::string error;             // failed: why
  bool out_of_memory = false;    // exited: killed by the kernel for what its cgroup may have
  std::uint64_t memory_max = 0;  // then: that, in bytes
  milliseconds time_limit{0};    // exited: killed as Launch's was over; 0: not for that
  FLEET_FIELDS(ShimStatus, protocol, version, id, shim_pid, state, pid, start_time, ready, notify_status, exit_code,
               signal, stopping, max_rss_kib, cpu_time, error, out_of_memory, memory_max, time_limit)
};

// fleetd -> shim, once. Descriptors in the frame become 3, 4, ... of the program.
struct Launch {
  FLEET_MESSAGE(Launch, 2)
  std::string id;
  std::vector<std::string> argv;  // argv[0] is a path, relative to cwd unless absolute, or found in env's PATH
  std::map<std::string, std::string> env;  // complete: nothing is inherited
  std::string cwd;
  std::string log_file;           // stdout and stderr go here, by line, rotated; its folder exists
  std::uint64_t log_max_bytes = 16u << 20;  // of one file
  std::uint32_t log_keep = 1;     // rotated files kept besides: log_file.1, .2, ...
  std::string notify_socket;      // path to bind for NOTIFY_SOCKET; empty: none
  Confinement confined;
  // To systemd's journal (its native protocol) goes each line too, where `journal` is not empty: it is the fields that all
  // lines have in common, "NAME=value\n" each.
  std::string journal, journal_socket = "/run/systemd/journal/socket";
  std::string input;           // to be read from standard input, in place of nothing
  milliseconds time_limit{0};  // then SIGKILL to the whole tree; 0: none
  FLEET_FIELDS(Launch, id, argv, env, cwd, log_file, log_max_bytes, log_keep, notify_socket, confined, journal, journal_socket,
               input, time_limit)
};

// fleetd -> shim: `signal` to the program, after `grace` SIGKILL to its whole tree. May be sent again; the earlier
// deadline holds.
struct Stop {
  FLEET_MESSAGE(Stop, 3)
  std::uint32_t signal = 15;
  milliseconds grace{10000};
  FLEET_FIELDS(Stop, signal, grace)
};

// fleetd -> shim: the exit status is on record; exit. Ignored while the program runs.
struct Dismiss {
  FLEET_MESSAGE(Dismiss, 4)
  FLEET_NO_FIELDS(Dismiss)
};

// ---- fleetd <-> fleet-proxy ----------------------------------------------------------------------------------------
// The worker inherits its listening link socket as descriptor 3. On each accepted connection it sends WorkerHello; a
// newer connection replaces an older one. A worker whose link ends goes on with what it has.
//
//   HELLO -> Listeners+fds -> Keys -> Table -> (worker tests itself) -> WorkerReady -> Accept -> Accepting

enum class WorkerState : std::uint8_t { fresh, ready, accepting, draining };
FLEET_NAMES(WorkerState, "fresh", "ready", "accepting", "draining")

struct WorkerHello {
  FLEET_MESSAGE(WorkerHello, 20)
  std::uint32_t protocol = kProtocol;
  std::string version;
  std::string id;              // from --id; unique for all time, as an instance's
  std::uint32_t slot = 0;      // from --slot
  std::uint32_t pid = 0;
  WorkerState state = WorkerState::fresh;
  std::uint64_t generation = 0;  // of the table in force, 0 before the first
  bool gives_keys = false;       // it answers GiveKeys
  FLEET_FIELDS(WorkerHello, protocol, version, id, slot, pid, state, generation, gives_keys)
};

enum class Scheme : std::uint8_t { http, https };
FLEET_NAMES(Scheme, "http", "https")

struct ListenerInfo {
  Scheme scheme = Scheme::http;
  Endpoint endpoint;  // as configured
  FLEET_FIELDS(ListenerInfo, scheme, endpoint)
};

// fleetd -> worker: the slot's own SO_REUSEPORT listeners, one descriptor each, in this order.
// worker -> fleetd, in answer to GiveListeners: the same with the descriptors it has.
struct Listeners {
  FLEET_MESSAGE(Listeners, 21)
  std::vector<ListenerInfo> listeners;
  FLEET_FIELDS(Listeners, listeners)
};

struct GiveListeners {
  FLEET_MESSAGE(GiveListeners, 22)
  FLEET_NO_FIELDS(GiveListeners)
};

struct Certificate {
  std::string certificate_pem, key_pem;  // leaf first, then the chain; PKCS#8 or traditional key
  std::string file = {};                 // as configured: what it is called from one Keys to the next
  FLEET_FIELDS(Certificate, certificate_pem, key_pem, file)
};

// fleetd -> worker. The first certificate is the default; the others are chosen by SNI from their subjectAltNames.
// worker -> fleetd, in answer to GiveKeys: those in force.
struct Keys {
  FLEET_MESSAGE(Keys, 23)
  std::vector<Certificate> certificates;
  std::vector<std::string> ticket_keys;  // 80 random bytes each (name 16, HMAC 32, AES 32); the first encrypts
  std::int64_t ticket_keys_since = 0;    // when the first began to, in seconds since the epoch
  FLEET_FIELDS(Keys, certificates, ticket_keys, ticket_keys_since)
};

struct RefusedCertificate {
  std::string file, error;
  FLEET_FIELDS(RefusedCertificate, file, error)
};

// worker -> fleetd. On error the keys in force stay. Otherwise all are in force but those refused, of which the former
// version of the same file stays, where there was one.
struct KeysAck {
  FLEET_MESSAGE(KeysAck, 24)
  std::string error;
  std::vector<RefusedCertificate> refused = {};
  FLEET_FIELDS(KeysAck, error, refused)
};

// fleetd -> worker that gives_keys. Answered by Keys.
struct GiveKeys {
  FLEET_MESSAGE(GiveKeys, 37)
  FLEET_NO_FIELDS(GiveKeys)
};

// fleetd -> worker. One descriptor per entry of `access_logs`, opened for appending.
struct Table {
  FLEET_MESSAGE(Table, 25)
  RouteTable table;
  std::vector<std::string> access_logs;  // app names, in the order of the descriptors
  ProxySettings settings;                // in force from now on, whatever the generation
  FLEET_FIELDS(Table, table, access_logs, settings)
};

// What one worker has counted for one target since the worker began. Per target, hence per release and app.
struct TargetStats {
  std::string app;
  std::uint64_t release = 0;
  std::string target;
  std::uint32_t in_flight = 0;       // requests now
  std::uint64_t requests = 0;        // answered with the application's own answer, completely
  std::uint64_t failed = 0;          // 502/504 of our own, or answers cut short by the application
  std::uint64_t client_aborted = 0;  // the client left first
  std::uint64_t retried = 0;         // attempts here that were taken up elsewhere or again
  std::uint64_t held = 0;            // waited for a target before they came here
  FLEET_FIELDS(TargetStats, app, release, target, in_flight, requests, failed, client_aborted, retried, held)
};

// Connections whose TLS handshake succeeded.
struct HandshakeCount {
  std::string version;  // "TLSv1.3"
  std::uint64_t full = 0, resumed = 0;
  FLEET_FIELDS(HandshakeCount, version, full, resumed)
};

struct Stats {
  FLEET_MESSAGE(Stats, 26)
  std::uint32_t connections = 0;      // client connections open now
  std::uint64_t accepted = 0;         // client connections since the worker began
  std::uint64_t unrouted = 0;         // answered by the proxy itself: redirects, no such route, bad requests
  std::uint64_t unavailable = 0;      // 503 for lack of a target
  std::vector<TargetStats> targets;   // of the tables seen; a gone target's last figures come once more, then no longer
  std::uint32_t held = 0;             // requests that wait for a target now
  std::uint64_t turned_away = 0;      // connections closed at once, for lack of descriptors
  std::uint64_t log_lines_lost = 0;   // of access logs
  std::vector<HandshakeCount> handshakes;
  std::uint64_t failed_handshakes = 0;
  std::uint64_t bad_proxy_headers = 0;  // connections closed for a missing, malformed or untrusted PROXY header
  std::uint64_t over_address_limit = 0; // connections closed at once, as their address had too many
  std::uint64_t evicted = 0;            // idle connections closed to make room
  std::uint64_t slow_clients = 0;       // requests ended as the client sent or took too little
  std::uint64_t loops = 0;              // requests refused with 508
  FLEET_FIELDS(Stats, connections, accepted, unrouted, unavailable, targets, held, turned_away, log_lines_lost,
               handshakes, failed_handshakes, bad_proxy_headers, over_address_limit, evicted, slow_clients, loops)
};

// worker -> fleetd: every request claimed from now on is routed by this table. The figures are of that instant.
struct TableAck {
  FLEET_MESSAGE(TableAck, 27)
  std::uint64_t generation = 0;
  std::string error;  // not empty: the table was refused and the former one stays
  Stats stats;
  FLEET_FIELDS(TableAck, generation, error, stats)
};

// worker -> fleetd: a draining target has no request in flight and no pooled connection left in this worker. Said once
// per target, and again for all such targets after a new link or a new table.
struct TargetDrained {
  FLEET_MESSAGE(TargetDrained, 28)
  std::string target;
  FLEET_FIELDS(TargetDrained, target)
};

// fleetd -> worker: send Stats now. Without being asked a worker sends them each second in which they changed.
struct StatsRequest {
  FLEET_MESSAGE(StatsRequest, 29)
  FLEET_NO_FIELDS(StatsRequest)
};

// worker -> fleetd: it has sent itself one request through its own stack, and the answer was right; or why not.
struct WorkerReady {
  FLEET_MESSAGE(WorkerReady, 30)
  std::string error;
  FLEET_FIELDS(WorkerReady, error)
};

// fleetd -> worker: begin to accept. Answered by Accepting.
struct Accept {
  FLEET_MESSAGE(Accept, 31)
  FLEET_NO_FIELDS(Accept)
};
struct Accepting {
  FLEET_MESSAGE(Accepting, 32)
  FLEET_NO_FIELDS(Accepting)
};

// fleetd -> worker: accept no more, finish what there is (PROXY-RULES W), cut what is left at the deadline, answer
// WorkerDrained and exit 0.
struct DrainWorker {
  FLEET_MESSAGE(DrainWorker, 33)
  milliseconds deadline{30000};
  bool replaced = false;  // a successor accepts in its place: the proxy as a whole stays ready
  FLEET_FIELDS(DrainWorker, deadline, replaced)
};
struct WorkerDrained {
  FLEET_MESSAGE(WorkerDrained, 34)
  std::uint32_t cut = 0;  // connections cut at the deadline
  FLEET_FIELDS(WorkerDrained, cut)
};

// fleetd -> worker: these replace the logs of the same apps; others stay. One descriptor per name, as in Table. What was
// gathered for a former one is still written there.
struct AccessLogs {
  FLEET_MESSAGE(AccessLogs, 35)
  std::vector<std::string> apps;
  FLEET_FIELDS(AccessLogs, apps)
};

// How many took how long. By the bounds of core/latency.hpp: counts[i] took at most bound i, and more than the one
// before; the last took longer than all.
struct Latencies {
  std::vector<std::uint64_t> counts;
  std::uint64_t sum_us = 0;
  FLEET_FIELDS(Latencies, counts, sum_us)
};

// What one worker has counted for one release of an app since it began. Release 0: of no release, for what the proxy
// answered by itself; app "": of no app either.
struct ReleaseFigures {
  std::string app;
  std::uint64_t release = 0;
  std::map<std::string, std::uint64_t> codes;              // requests by status: "200"; "4xx": not registered; "none"
  std::map<std::string, std::uint64_t> own_errors;         // answers of the proxy's own, by reason
  std::map<std::string, std::uint64_t> upstream_failures;  // attempts, by kind
  Latencies first_byte, total;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // of bodies, of requests and of answers
  std::uint64_t retries = 0, held = 0, held_us = 0;
  bool last = false;  // the worker forgets these; should the release come back, it counts from 0
  FLEET_FIELDS(ReleaseFigures, app, release, codes, own_errors, upstream_failures, first_byte, total, bytes_in,
               bytes_out, retries, held, held_us, last)
};

// worker -> fleetd, before Stats: what changed since the last; all of it after a new link.
struct Figures {
  FLEET_MESSAGE(Figures, 36)
  std::vector<ReleaseFigures> releases;
  FLEET_FIELDS(Figures, releases)
};

// ---- fleetd <-> fleet-fetch ----------------------------------------------------------------------------------------
// fleet-fetch inherits one end of a stream socketpair as descriptor 3, reads one FetchJob, sends FetchProgress at most
// ten times a second, then FetchDone or FetchFailed, and exits. It ends when the socket does.

// For s3://bucket/key.
struct S3Access {
  std::string endpoint, region;  // endpoint: "https://host:port", empty: Amazon's
  std::string key_id, secret, session_token;
  FLEET_FIELDS(S3Access, endpoint, region, key_id, secret, session_token)
};

// A build that is unpacked already, in a release that is kept; its fields as those of the FetchDone that it came with.
struct KnownBuild {
  std::string sha256, folder;
  std::string format, layout, version, signed_by, trusted_by;
  std::uint64_t unpacked_bytes = 0;
  std::uint32_t entries = 0;
  FLEET_FIELDS(KnownBuild, sha256, folder, format, layout, version, signed_by, trusted_by, unpacked_bytes, entries)
};

struct FetchJob {
  FLEET_MESSAGE(FetchJob, 50)
  std::string url;          // http, https, s3, file, or an absolute path; of a build, or of what points to one
  std::string sha256;       // lower-case hex; empty: not checked
  std::string destination;  // the release directory to make; must not exist; a temporary sibling is used until done
  std::uint64_t max_download = 1ull << 30, max_unpacked = 4ull << 30;  // bytes
  std::uint32_t max_entries = 50000, max_depth = 64, max_ratio = 200;
  milliseconds timeout{600000}, stall_timeout{60000}, connect_timeout{10000};
  std::vector<std::string> trusted_keys;  // minisign's; not empty: one of them must have signed the build
  bool allow_insecure = false;            // http without digest or signature is not refused
  bool unpack_java = false;               // a war or jar is unpacked, as a zip is
  std::string version;                    // that of the current release: a manifest's may not be lower; empty: any
  bool look_only = false;                 // what does the URL lead to now? Nothing is unpacked, no destination needed
  std::string known_etag;                 // nothing is fetched, the answer is `unchanged`, while the URL has it
  std::string authorization;              // a header's value, for the URL's own origin
  S3Access s3;
  std::string netrc;               // as in netrc(5): for http and https, by host
  bool rooted = false;             // a local build must be beneath one of `roots`
  std::vector<std::string> roots;
  std::uint32_t uid = 0, gid = 0;  // who reads what comes from strangers, when started as root; 0: root
  std::vector<KnownBuild> known;   // one of these is linked in place of being fetched again
  FLEET_FIELDS(FetchJob, url, sha256, destination, max_download, max_unpacked, max_entries, max_depth, max_ratio,
               timeout, stall_timeout, connect_timeout, trusted_keys, allow_insecure, unpack_java, version, look_only,
               known_etag, authorization, s3, netrc, rooted, roots, uid, gid, known)
};

enum class FetchPhase : std::uint8_t { download, verify, unpack };
FLEET_NAMES(FetchPhase, "download", "verify", "unpack")

struct FetchProgress {
  FLEET_MESSAGE(FetchProgress, 51)
  FetchPhase phase = FetchPhase::download;
  std::uint64_t bytes = 0, total = 0;  // total 0: unknown
  std::uint64_t rate = 0;              // bytes a second, of the last seconds; 0: not known yet
  FLEET_FIELDS(FetchProgress, phase, bytes, total, rate)
};

struct FetchDone {
  FLEET_MESSAGE(FetchDone, 52)
  std::string sha256, format;  // format: "tar.gz", "zip", "executable", ...
  std::uint64_t bytes = 0, unpacked_bytes = 0;
  std::uint32_t entries = 0;
  std::string url;        // of the build, where a manifest pointed to it; without credentials
  std::string version;    // by the manifest; empty: not told
  std::string signed_by;  // key id, and the trusted comment in parentheses; empty: no signature was asked for
  std::string etag;       // of the URL of the job
  bool unchanged = false;
  std::string layout;        // "tree": unpacked; "file:NAME": kept whole, under this name
  std::string trusted_by;    // the key, as in FetchJob::trusted_keys; empty: no signature was asked for
  std::uint32_t reused = 0;  // which of FetchJob::known it is, from 1 on; 0: none
  FLEET_FIELDS(FetchDone, sha256, format, bytes, unpacked_bytes, entries, url, version, signed_by, etag, unchanged,
               layout, trusted_by, reused)
};

// Within fleet-fetch: its process that reads from strangers asks the one that may for a local file; the answer has it as
// descriptor, or says why not.
struct FetchFile {
  FLEET_MESSAGE(FetchFile, 54)
  std::string path;
  FLEET_FIELDS(FetchFile, path)
};
struct FetchFileAnswer {
  FLEET_MESSAGE(FetchFileAnswer, 55)
  ErrorKind kind = ErrorKind::internal;
  std::string error;  // empty: it is there
  FLEET_FIELDS(FetchFileAnswer, kind, error)
};

struct FetchFailed {
  FLEET_MESSAGE(FetchFailed, 53)
  FetchPhase phase = FetchPhase::download;
  std::string error;
  FLEET_FIELDS(FetchFailed, phase, error)
};

}  // namespace fleet::wire
