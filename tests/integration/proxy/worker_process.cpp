#include "worker_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "os/unix_socket.hpp"
#include "support/eventually.hpp"

namespace fleet::test {
namespace {

using Clock = std::chrono::steady_clock;

os::Fd listen_tcp(std::uint16_t& port) {
  os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::listen(fd.get(), 4096);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

}  // namespace

Slot::Slot() : http_fd_(listen_tcp(http)), https_fd_(listen_tcp(https)) {}

wire::Listeners Slot::message() const {
  return {{{wire::Scheme::http, {"127.0.0.1", http}}, {wire::Scheme::https, {"127.0.0.1", https}}}};
}

wire::Certificate make_certificate(const std::string& common_name, const std::vector<std::string>& dns_names) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  auto* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(certificate, name);
  std::string names;
  for (const auto& dns : dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
  if (!names.empty()) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_text = BIO_new(BIO_s_mem());
  BIO* key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_text, certificate);
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {text_of(certificate_text), text_of(key_text)};
}

Route route_to(const std::vector<Instance>& instances, const std::string& app) {
  Route route;
  route.app = app;
  RouteRelease release;
  release.release = 1;
  for (const auto& instance : instances) {
    fleet::Target target{instance.id, {"127.0.0.1", instance.port}, instance.state};
    target.socket = instance.socket;
    target.index = static_cast<std::uint32_t>(release.targets.size());
    release.targets.push_back(std::move(target));
  }
  route.releases.push_back(std::move(release));
  return route;
}

WorkerProcess::WorkerProcess(std::vector<std::string> arguments) {
  char dir[] = "/tmp/fleet-proxy-test-XXXXXX";
  dir_ = ::mkdtemp(dir);
  log_.reset(::memfd_create("access-log", MFD_CLOEXEC));
  auto listener = os::listen_unix(dir_ + "/link", 0600);
  if (!listener) throw std::runtime_error(listener.error().text);
  std::vector<std::string> words{FLEET_BIN_DIR "/fleet-proxy", "--id", "w1", "--slot", "0"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, listener->get(), 3);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start fleet-proxy");
  dial();
}

WorkerProcess::~WorkerProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(dir_);
}

void WorkerProcess::dial() {
  hang_up();
  auto link = os::connect_unix(dir_ + "/link");
  if (!link) throw std::runtime_error(link.error().text);
  link_ = std::move(*link);
  hello = expect<wire::WorkerHello>();
}

void WorkerProcess::start(const Slot& slot, std::vector<Route> routes) {
  send(slot.message(), slot.fds());
  wire::Keys keys;
  keys.certificates = {make_certificate("default", {"shop.test"}), make_certificate("exact", {"exact.test"}),
                       make_certificate("wild", {"*.wild.test"})};
  keys.ticket_keys = {std::string(80, 'k')};
  send(keys);
  EXPECT_EQ(expect<wire::KeysAck>().error, "");
  publish(std::move(routes));
  EXPECT_EQ(expect<wire::WorkerReady>().error, "");
  send(wire::Accept{});
  expect<wire::Accepting>();
}

wire::TableAck WorkerProcess::publish(std::vector<Route> routes) {
  wire::Table table;
  table.table.generation = ++generation;
  table.table.routes = std::move(routes);
  table.settings = settings;
  table.access_logs = {"shop"};
  send(table, {log_.get()});
  auto ack = expect<wire::TableAck>();
  EXPECT_EQ(ack.error, "");
  EXPECT_EQ(ack.generation, generation);
  return ack;
}

wire::Stats WorkerProcess::stats() {
  while (!nothing_of(0, 0)) {
  }
  send(wire::StatsRequest{});
  return expect<wire::Stats>();
}

wire::TargetStats WorkerProcess::stats_of(const std::string& target) {
  for (const auto& each : stats().targets) {
    if (each.target == target) return each;
  }
  return {};
}

void WorkerProcess::send_bytes(std::string_view bytes, const std::vector<int>& fds) {
  for (bool first = true; !bytes.empty(); first = false) {
    const auto sent = os::send_some(link_.get(), bytes, first ? std::span<const int>(fds) : std::span<const int>());
    if (!sent) return;
    if (sent->would_block) {
      pollfd waiting{link_.get(), POLLOUT, 0};
      ::poll(&waiting, 1, 1000);
      first = true;
      continue;
    }
    bytes.remove_prefix(sent->bytes);
  }
}

std::string WorkerProcess::wait_for(std::uint16_t type, const char* name, std::vector<os::Fd>* fds) {
  const auto until = Clock::now() + std::chrono::seconds(10);
  for (;;) {
    auto frame = reader_.next();
    if (!frame) break;
    if (*frame) {
      std::vector<os::Fd> own;
      for (std::size_t i = 0; i < (*frame)->fd_count; ++i) {
        own.push_back(std::move(fds_.front()));
        fds_.erase(fds_.begin());
      }
      if ((*frame)->type != type) continue;
      if (fds) *fds = std::move(own);
      return (*frame)->payload;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting{link_.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
    std::string bytes;
    const auto got = os::receive_some(link_.get(), bytes, fds_);
    if (!got || got->closed) break;
    reader_.append(bytes);
  }
  ADD_FAILURE() << "no " << name << " came";
  return {};
}

bool WorkerProcess::nothing_of(std::uint16_t type, int ms) {
  const auto until = Clock::now() + std::chrono::milliseconds(ms);
  for (;;) {
    auto frame = reader_.next();
    if (frame && *frame) {
      if ((*frame)->type == type) return false;
      continue;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting{link_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::max<long>(left, 0))) <= 0) return true;
    std::string bytes;
    const auto got = os::receive_some(link_.get(), bytes, fds_);
    if (!got || got->closed) return true;
    reader_.append(bytes);
  }
}

int WorkerProcess::wait_exit() {
  const os::Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  pollfd waiting{ended.get(), POLLIN, 0};
  int status = 0;
  if (::poll(&waiting, 1, 10'000) != 1 || ::waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

long WorkerProcess::status_number(const char* key) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    if (word == key) {
      status >> word;
      return std::stol(word);
    }
  }
  return 0;
}

std::string WorkerProcess::access_log() const {
  std::string text;
  char part[65536];
  off_t at = 0;
  for (ssize_t got = 0; (got = ::pread(log_.get(), part, sizeof part, at)) > 0; at += got) {
    text.append(part, static_cast<std::size_t>(got));
  }
  return text;
}

std::string WorkerProcess::logged(const std::string& part) const {
  std::string log;
  EXPECT_TRUE(eventually([&] { return (log = access_log()).find(part) != std::string::npos; }))
      << part << " is not in " << log;
  return log;
}

bool WorkerProcess::comes_to(const std::function<bool(const wire::Stats&)>& satisfied) {
  return eventually([&] { return satisfied(stats()); });
}

}  // namespace fleet::test
