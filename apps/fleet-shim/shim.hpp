// The shim at work: one thread, one poll(2) loop, one program.
#pragma once

#include <optional>

#include "lifecycle.hpp"
#include "link.hpp"
#include "notify.hpp"
#include "options.hpp"
#include "os/cgroup.hpp"
#include "os/process.hpp"
#include "output.hpp"
#include "wire/messages.hpp"

namespace fleet::shim {

class Shim {
 public:
  // `signals`: a signalfd that tells of SIGCHLD and SIGTERM, both blocked. The caller is a subreaper.
  Shim(const Options&, os::Fd listener, os::Fd signals);

  // Until the shim is no longer needed.
  void run();

 private:
  void wait();
  bool waits_for_anybody() const;
  bool is_out_of_reach() const;
  void on_signals();
  void on_messages();
  void on_notices();
  void on_children();

  void launch(Incoming);
  Result<> start(const wire::Launch&, const std::vector<os::Fd>&);
  void perform(const Actions&);
  void clear_tree();
  void note_out_of_memory();
  void announce();
  wire::ShimState state() const;

  Options options_;
  Link link_;
  os::Fd signals_;
  Lifecycle life_;
  wire::ShimStatus status_;
  os::Process program_;
  std::string cgroup_;           // that the program began in; empty: none
  os::OutOfMemory memory_then_;  // as it was when the program began
  bool killed_ = false;          // by us, all of it
  milliseconds time_limit_{0};
  Output output_;
  NotifySocket notify_;
  std::optional<Time> announce_at_;  // a STATUS= text waits to be told, so that many do not swamp fleetd
  bool leave_ = false;
};

}  // namespace fleet::shim
