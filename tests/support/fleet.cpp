#include "support/fleet.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <random>
#include <sstream>
#include <stdexcept>

#include "core/signal_names.hpp"
#include "os/process_tree.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

// A range of its own for each fleet, below the kernel's ephemeral ports.
std::string port_range(unsigned blocks) {
  static std::atomic<unsigned> next = static_cast<unsigned>(::getpid());
  const unsigned first = 10000 + next.fetch_add(blocks) % 200 * 100;
  return std::to_string(first) + "-" + std::to_string(first + blocks * 100 - 1);
}

std::string demo_toml(const DemoApp& app, const std::string& ledgers) {
  std::ostringstream out;
  const auto lines = [&](const std::vector<std::string>& all) {
    for (const auto& line : all) out << line << '\n';
  };
  out << "\n[app." << app.name << "]\n";
  const auto* where = app.on_socket ? "\"--socket\", \"{socket}\"" : "\"--port\", \"{port}\"";
  out << "command = [\"./bin/server\", " << where << ", \"--data-dir\", \""
      << (app.ledgers.empty() ? ledgers : app.ledgers) << "\"]\n";
  if (app.on_socket) out << "listen = \"unix\"\n";
  out << "instances = " << app.instances << '\n';
  lines(app.lines);
  out << "[app." << app.name << ".health]\n";
  lines(app.health);
  out << "[app." << app.name << ".drain]\n";
  lines(app.drain);
  return out.str();
}

std::string tail(const std::string& text, std::size_t most) {
  return text.size() < most ? text : "...\n" + text.substr(text.size() - most);
}

// Of programs whose standard error nobody keeps; none in builds without one.
std::set<std::string> sanitizer_reports() {
  std::set<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(program_path("../sanitizer"), none)) names.insert(entry.path());
  return names;
}

// Orphans of fleetd become children of this process, so that none is ever lost sight of.
void adopt_orphans() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGPIPE, SIG_IGN);
}

void reap_orphans(const std::vector<os::ProcessEntry>& table) {
  for (const auto& entry : table) {
    if (entry.zombie && entry.parent == ::getpid()) ::waitpid(entry.pid, nullptr, WNOHANG);
  }
}

}  // namespace

std::string program_path(const std::string& name) {
  const char* folder = std::getenv("FLEET_BIN_DIR");
  return std::string(folder != nullptr ? folder : FLEET_BIN_DIR) + "/" + name;
}

std::uint16_t free_port() {
  const os::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(address.sin_port);
}

std::vector<pid_t> strays() {
  const auto table = os::processes();
  std::vector<pid_t> pids;
  for (const auto& entry : os::descendants(table, ::getpid())) {
    if (!entry.zombie) pids.push_back(entry.pid);
  }
  return pids;
}

Fleet::Fleet(FleetSetup setup)
    : http_port_(free_port()), https_port_(free_port()), http6_port_(free_port()), api_port_(free_port()) {
  adopt_orphans();
  std::string name = setup.place + "/fleet-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
  root_ = name;
  reports_before_ = sanitizer_reports();
  fs::create_directories(ledgers());
  write_config(setup);
}

void Fleet::write_config(const FleetSetup& setup) {
  const auto local = [](std::uint16_t port) { return "\"127.0.0.1:" + std::to_string(port) + "\""; };
  std::ostringstream out;
  out << "[fleet]\nstate_dir = \"" << root_ << "/state\"\nrun_dir = \"" << root_ << "/run\"\n";
  out << "ports = \"" << port_range(setup.port_blocks) << "\"\nallow_root = true\n";
  for (const auto& line : setup.fleet_lines) out << line << '\n';
  if (setup.tcp_api) {
    out << "[api]\nlisten = " << local(api_port_) << '\n';
    if (!setup.token.empty()) {
      write_whole(root_ + "/token", setup.token + "\n");
      fs::permissions(root_ + "/token", fs::perms::owner_read);
      out << "token_file = \"" << root_ << "/token\"\n";
    }
  }
  out << "[proxy]\nworkers = " << setup.workers << "\nhttp = [" << local(http_port_);
  if (setup.ipv6) out << ", \"[::1]:" << http6_port_ << '"';
  out << "]\nhttps = [" << local(https_port_) << "]\n" << setup.tables;
  for (const auto& app : setup.demo_apps) out << demo_toml(app, ledgers());
  out << setup.apps;
  write_whole(config_path(), out.str());
}

Fleet::~Fleet() {
  if (up_) {
    const auto left = shutdown();
    EXPECT_EQ(left, "") << "after fleetctl shutdown --apps";
  }
  daemon_.reset();
  std::string logs;
  for (const auto& path : own_logs()) logs += read_whole(path);
  for (const auto* crash : {"SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "Sanitizer", "runtime error:"}) {
    EXPECT_EQ(logs.find(crash), std::string::npos) << "a program of fleet's crashed of itself: " << crash;
  }
  for (const auto& report : sanitizer_reports()) {
    EXPECT_TRUE(reports_before_.contains(report)) << report << ":\n" << tail(read_whole(report), 4000);
  }
  eventually(milliseconds(2000), [] {
    const auto table = os::processes();
    const auto mine = os::descendants(table, ::getpid());
    reap_orphans(mine);
    return os::signal_all(mine, SIGKILL) == 0;
  });
  if (::testing::Test::HasFailure()) report();
  if (std::getenv("FLEET_KEEP") == nullptr) {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
}

std::vector<std::string> Fleet::own_logs() const {
  std::vector<std::string> paths = {root_ + "/fleetd.log"};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(root_ + "/state/log", ignored)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  return paths;
}

void Fleet::report() const {
  const auto show = [&](const std::string& path) {
    std::fprintf(stderr, "---- %s\n%s\n", path.c_str(), tail(read_whole(path), 12000).c_str());
  };
  show(config_path());
  for (const auto& path : own_logs()) show(path);
}

void Fleet::launch(const Environment& more, const std::string& program) {
  const auto fleetd = program.empty() ? program_path("fleetd") : program;
  daemon_ = std::make_unique<Program>(std::vector<std::string>{fleetd, "--config", config_path()},
                                      more, root_ + "/fleetd.log", root_ + "/fleetd.log");
  up_ = true;
}

void Fleet::wait_ready(milliseconds limit) {
  const auto answers = [&] {
    if (const auto how = death(); !how.empty()) throw std::runtime_error(how);
    const auto response = fetch(api(), "GET", "/healthz");
    return response && response->status == 200;
  };
  if (!eventually(limit, answers)) throw std::runtime_error("fleetd is not ready:\n" + tail(daemon_log(), 4000));
}

void Fleet::start(milliseconds limit) {
  launch();
  wait_ready(limit);
}

void Fleet::kill() {
  daemon_->signal(SIGKILL);
  if (!daemon_->wait(milliseconds(5000))) throw std::runtime_error("fleetd does not die");
}

void Fleet::reboot() {
  // The load generator is ours and stays.
  const auto wanted = [](const os::ProcessEntry& entry) {
    return !entry.zombie && command_line(entry.pid).find("/fleet-load ") == std::string::npos;
  };
  const auto all_gone = [&] {
    const auto table = os::processes();
    auto mine = os::descendants(table, ::getpid());
    reap_orphans(mine);
    std::erase_if(mine, [&](const auto& entry) { return !wanted(entry); });
    os::signal_all(mine, SIGKILL);
    return mine.empty();
  };
  if (!eventually(milliseconds(10000), all_gone)) throw std::runtime_error("cannot kill everything");
  daemon_->wait(milliseconds(1000));
}

std::string Fleet::death() {
  const auto code = daemon_ ? daemon_->wait(milliseconds(0)) : std::nullopt;
  if (!code) return "";
  const auto how = *code > 128 ? "was killed by " + signal_name(*code - 128) : "has ended with code " + std::to_string(*code);
  return "fleetd " + how + ":\n" + tail(daemon_log(), 4000);
}

std::string Fleet::shutdown() {
  up_ = false;
  std::string wrong;
  if (daemon_->running()) {
    const auto asked = ctl({"shutdown", "--apps"});
    if (asked.code != 0) wrong += "fleetctl shutdown: " + std::to_string(asked.code) + " " + asked.err + asked.out;
    const auto code = daemon_->wait(milliseconds(30000));
    if (code != 0) wrong += "fleetd ended with " + (code ? std::to_string(*code) : "nothing: it runs") + "\n";
  }
  const auto none_left = [] {
    reap_orphans(os::processes());
    return strays().empty();
  };
  if (eventually(milliseconds(5000), none_left)) return wrong;
  for (const auto pid : strays()) wrong += "left: " + std::to_string(pid) + " " + command_line(pid) + "\n";
  return wrong;
}

Peer Fleet::http() const {
  Peer peer;
  peer.port = http_port_;
  return peer;
}

Peer Fleet::https() const {
  Peer peer;
  peer.port = https_port_;
  peer.tls = true;
  peer.server_name = "localhost:" + std::to_string(https_port_);
  return peer;
}

Peer Fleet::http6() const {
  Peer peer;
  peer.address = "::1";
  peer.port = http6_port_;
  return peer;
}

Peer Fleet::api() const {
  Peer peer;
  peer.unix_path = root_ + "/run/fleetd.sock";
  return peer;
}

Peer Fleet::api_tcp() const {
  Peer peer;
  peer.port = api_port_;
  return peer;
}

Ran Fleet::ctl(std::vector<std::string> arguments, milliseconds limit) const {
  arguments.insert(arguments.begin(), {program_path("fleetctl"), "--socket", root_ + "/run/fleetd.sock"});
  return run(std::move(arguments), {}, limit);
}

Response Fleet::call(std::string_view method, std::string_view target, const std::string& json) const {
  std::vector<std::string> headers;
  if (!json.empty()) headers.push_back("Content-Type: application/json");
  auto response = fetch(api(), method, target, headers, json);
  if (!response) throw std::runtime_error("api: " + std::string(target) + ": " + response.error().text);
  return std::move(*response);
}

Json Fleet::get(const std::string& target) const {
  const auto response = call("GET", target);
  if (response.status != 200) {
    throw std::runtime_error("api: " + target + ": " + std::to_string(response.status) + " " + response.body);
  }
  return Json::parse(response.body);
}

Json Fleet::app(const std::string& name) const {
  const auto seen = status();  // named: a range-for does not keep the owner of what it walks
  for (const auto& app : seen.at("apps")) {
    if (app.at("name") == name) return app;
  }
  throw std::runtime_error("no such app in status: " + name);
}

std::vector<pid_t> Fleet::instance_pids(const std::string& app_name) const {
  std::vector<pid_t> pids;
  const auto seen = app(app_name);
  for (const auto& instance : seen.at("instances")) {
    if (instance.at("state") == "ready") pids.push_back(instance.at("pid").get<pid_t>());
  }
  return pids;
}

std::vector<pid_t> Fleet::worker_pids() const {
  std::vector<pid_t> pids;
  const auto seen = status();
  for (const auto& worker : seen.at("workers")) {
    if (worker.at("state") == "accepting") pids.push_back(worker.at("pid").get<pid_t>());
  }
  return pids;
}

std::string Fleet::pack(const Build& build) const {
  static unsigned number = 0;
  const auto release = root_ + "/build-" + std::to_string(number++);
  fs::create_directories(release + "/bin");
  fs::copy_file(program_path("fleet-demo-server"), release + "/bin/server");
  std::string conf = "version-name = \"" + build.version + "\"\n";
  for (const auto& line : build.options) conf += line + "\n";
  write_whole(release + "/bin/demo.conf", conf);
  if (!build.app_file.empty()) write_whole(release + "/fleet-app.toml", build.app_file);
  for (const auto& [file, text] : build.files) {
    fs::create_directories(fs::path(release + "/" + file).parent_path());
    write_whole(release + "/" + file, text);
  }
  if (build.padding > 0) {
    std::mt19937_64 random(number);
    std::string bytes;
    while (bytes.size() < build.padding) {
      const auto word = random();
      bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    write_whole(release + "/padding", bytes);
  }
  const auto path = release + "-" + build.version + ".tar.gz";
  const auto tar = run({"tar", "--use-compress-program=gzip -1", "-C", release, "-cf", path, "."});
  fs::remove_all(release);
  if (tar.code != 0) throw std::runtime_error("tar: " + tar.err);
  return path;
}

Ran Fleet::deploy(const Build& build, std::vector<std::string> more) const {
  more.insert(more.begin(), {"deploy", pack(build)});
  return ctl(std::move(more));
}

std::uint64_t Fleet::begin_deploy(const std::string& url, const std::string& app_name) const {
  const Json body = {{"url", url}};
  const auto response = call("POST", "/v1/apps/" + app_name + "/deployments", body.dump());
  if (response.status != 202) {
    throw std::runtime_error("deploy: " + std::to_string(response.status) + " " + response.body);
  }
  return Json::parse(response.body).at("id");
}

std::string Fleet::wait_phase(std::uint64_t id, const std::string& phase, milliseconds limit) const {
  static constexpr std::array order = {"prepare", "pre_start", "warm", "pre_switch", "commit", "post_switch",
                                       "drain",   "pre_stop",  "retire", "done",    "abort",  "on_failure"};
  const auto rank = [](const std::string& name) { return std::find(order.begin(), order.end(), name) - order.begin(); };
  std::string seen;
  const auto reached = [&] {
    const auto view = deployment(id);
    seen = view.at("phase").get<std::string>();
    return rank(seen) >= rank(phase) || view.at("state") != "running";
  };
  if (!eventually(limit, reached)) throw std::runtime_error("still in phase " + seen + ", not in " + phase);
  return seen;
}

Json Fleet::wait_end(std::uint64_t id, milliseconds limit) const {
  Json view;
  const auto over = [&] {
    view = deployment(id);
    return view.at("state") != "running";
  };
  if (!eventually(limit, over)) throw std::runtime_error("still running: " + view.dump());
  return view;
}

}  // namespace fleet::test
