// Plays fleetd to a real fleet-proxy process.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "os/fd.hpp"
#include "wire/frame.hpp"

namespace fleet::test {

// The listening sockets of one slot, which outlive workers.
class Slot {
 public:
  Slot();
  std::uint16_t http = 0, https = 0;
  wire::Listeners message() const;
  std::vector<int> fds() const { return {http_fd_.get(), https_fd_.get()}; }

 private:
  os::Fd http_fd_, https_fd_;
};

wire::Certificate make_certificate(const std::string& common_name, const std::vector<std::string>& dns_names);

struct Instance {
  std::string id;
  std::uint16_t port = 0;
  TargetState state = TargetState::ready;
  std::string socket = "";
};
Route route_to(const std::vector<Instance>& instances, const std::string& app = "shop");

class WorkerProcess {
 public:
  explicit WorkerProcess(std::vector<std::string> arguments = {});
  ~WorkerProcess();

  // The whole handshake up to accepting.
  void start(const Slot& slot, std::vector<Route> routes);

  void dial();  // a new link; checks the hello
  void hang_up() { link_.reset(), fds_.clear(), reader_ = {}; }
  template <class M>
  void send(const M& message, const std::vector<int>& fds = {}) {
    send_bytes(wire::frame(message, fds.size()), fds);
  }
  // The next message of this kind within 10 s; others are skipped. A test failure, and a default value, if none comes.
  template <class M>
  M expect(std::vector<os::Fd>* fds = nullptr) {
    const auto payload = wait_for(M::kType, M::kName, fds);
    auto message = wire::decode<M>(payload);
    return message ? std::move(*message) : M{};
  }
  // Nothing of this kind is on the link, nor comes within `ms`.
  bool nothing_of(std::uint16_t type, int ms);

  wire::TableAck publish(std::vector<Route> routes);
  wire::Stats stats();
  wire::TargetStats stats_of(const std::string& target);

  wire::WorkerHello hello;
  pid_t pid() const { return pid_; }
  int wait_exit();                            // exit code, -1 after 10 s
  long status_number(const char* key) const;  // of /proc/PID/status; memory in KiB
  std::string access_log() const;             // of app "shop", so far
  std::string logged(const std::string& part) const;  // it, once this is in it; a test failure if it never is
  // Whether what it counts comes to satisfy this, within 10 s.
  bool comes_to(const std::function<bool(const wire::Stats&)>& satisfied);
  std::uint64_t generation = 0;
  ProxySettings settings;  // sent with each table

 private:
  void send_bytes(std::string_view bytes, const std::vector<int>& fds);
  std::string wait_for(std::uint16_t type, const char* name, std::vector<os::Fd>* fds);

  std::string dir_;
  os::Fd log_;
  pid_t pid_ = -1;
  os::Fd link_;
  wire::FrameReader reader_;
  std::vector<os::Fd> fds_;
};

}  // namespace fleet::test
