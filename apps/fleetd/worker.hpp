// What Workers knows of one worker, and of one slot. For its own sources only.
#pragma once

#include <signal.h>

#include <set>

#include "workers.hpp"

namespace fleet {

struct Workers::Worker {
  std::string id, version;
  std::uint32_t slot = 0, pid = 0;
  std::uint64_t start_time = 0;
  std::optional<Shim> shim;  // none: it was killed, and the worker has outlived it
  std::optional<net::Channel> link;
  bool live = false;   // was told to accept: its acknowledgements count
  bool ended = false;  // its process has ended
  bool over = false;   // nothing more is to be expected of it
  bool draining = false;
  std::vector<wire::ListenerInfo> listeners;
  std::uint64_t acked = 0;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now(), dialled{}, table_sent{};
  std::set<std::string> drained;
  wire::Stats stats;
  FigureSums figures;
  bool stats_asked = false;
  std::uint32_t keys_sent = 0, keys_acked = 0;  // over this link
  wire::KeysAck keys_answer;                    // the last
  os::Fd program;            // what it was started from, until that is known to serve
  WorkerBasis basis;         // generation: of the table last sent
  bool is_copy = false;      // it was started from the copy of the program
  bool crashed = false;      // ended, not well, and not by SIGKILL, which others send
  bool overdue = false;      // was killed, as it took too long to come up
  bool faulted = false;      // and that was noted

  void kill() {
    if (shim) shim->stop(SIGKILL, milliseconds(0));
    else kill_orphan(id, pid, start_time);
    if (link) link->close();
  }
};

struct Workers::Slot {
  std::shared_ptr<Worker> worker;  // the one that accepts, or null
  std::uint32_t restarts = 0, quick_ends = 0;
  bool wanted = true, replace = false, kept = false;  // kept: keep() runs for it
  std::string not_replaced;  // why the last worker that was to replace another did not; empty: it did
};

}  // namespace fleet
