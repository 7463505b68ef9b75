// What workers are started with when they end by what is new.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "clock.hpp"
#include "kept_fallback.hpp"
#include "os/process.hpp"
#include "worker.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 1s;
constexpr auto kProgramServes = 10s, kTableServes = 3s;  // by all workers without a fault: then it is good

}  // namespace

// The program to start this worker from, which notes what it is.
std::string Workers::program_for(Worker& worker) {
  const auto usual = paths_.programs + "/fleet-proxy";
  worker.program = os::Fd(::open(usual.c_str(), O_RDONLY | O_CLOEXEC));
  worker.basis.program = identity_of(worker.program.get());
  const bool is_bad = last_good_.is_bad_program(worker.basis.program) || !worker.program;
  if (!is_bad || copy_.identity().empty() || ::access(copy_.path().c_str(), X_OK) != 0) return usual;
  worker.program.reset();
  worker.basis.program = copy_.identity();
  worker.is_copy = true;
  return copy_.path();
}

// Another may have come to the program's place just when it was started.
void Workers::check_program(Worker& worker) {
  if (!worker.program) return;
  const os::Fd now(::open((paths_.programs + "/fleet-proxy").c_str(), O_RDONLY | O_CLOEXEC));
  if (identity_of(now.get()) == worker.basis.program) return;
  worker.program.reset();
  worker.basis.program.clear();
}

// The good table, for one that does not have a later one already.
RouteTable Workers::table_for(const Worker& worker) const {
  const bool is_bad = last_good_.is_bad_table(table_.generation) && worker.acked <= good_table_.generation;
  return is_bad ? with_what_is_there(good_table_, table_) : table_;
}

// What a former fleetd has found. Before any worker is given a table.
void Workers::restore_fallback() {
  auto kept = read_fallback(paths_.fallback(), os::boot_id());
  if (!kept) return;
  last_good_.restore(std::move(kept->bad_program), kept->bad_table);
  fallback_since_ = std::move(kept->since);
  fallback_why_ = std::move(kept->why);
  if (kept->good.generation == 0 || kept->good.generation > table_.generation) return;
  good_table_ = std::move(kept->good);
  last_good_.serves({"", good_table_.generation});
}

void Workers::keep_fallback() {
  KeptFallback kept;
  kept.boot_id = os::boot_id();
  kept.good = good_table_;
  kept.bad_program = last_good_.bad_program();
  kept.bad_table = last_good_.bad_table();
  if (last_good_.fell_back()) kept.since = fallback_since_, kept.why = fallback_why_;
  const auto done = write_fallback(paths_.fallback(), kept);
  if (!done) spdlog::warn("what workers may fall back to is not kept for the next fleetd: {}", done.error().text);
}

void Workers::note_fault(Worker& worker, bool maybe_table, const std::string& how) {
  if (std::exchange(worker.faulted, true)) return;
  const auto change = last_good_.faulted(worker.basis, maybe_table, std::chrono::steady_clock::now());
  if (change == LastGood::Change::none) return;
  const bool program = change == LastGood::Change::program;
  fallback_since_ = wall_time();
  fallback_why_ = std::string(program ? "the fleet-proxy on disk" : "the newest routes") + " ended " +
                  std::to_string(LastGood::kFaults) + " workers soon after they began: " + how;
  for (const auto& slot : slots_) slot->quick_ends = 0;
  api::EventView event;
  event.type = api::EventType::worker_fell_back;
  event.message = "workers are started with " +
                  (program ? "the program that served before" : "the routes of generation " + std::to_string(good_table_.generation)) +
                  ": " + fallback_why_;
  if (!program) event.data.generation = good_table_.generation;
  spdlog::critical("{}", event.message);
  events_.report(std::move(event));
  keep_fallback();
}

void Workers::try_again() {
  const bool fell_back = last_good_.fell_back();
  last_good_.try_again();
  if (fell_back) keep_fallback();
  for (const auto& worker : all_) {
    if (worker->live && worker->basis.generation < table_.generation) send_table(*worker);
  }
}

// What all workers have served with for long enough, without one that is missing.
net::Task<> Workers::look_for_good() {
  copy_.find();
  last_good_.serves({copy_.identity(), 0});
  while (!closing_) {
    co_await pause(kLook);
    const auto now = std::chrono::steady_clock::now();
    const auto all = [&](auto serves) {
      return std::ranges::all_of(slots_, [&](const auto& slot) {
        const auto* worker = slot->worker.get();
        return !slot->wanted || (worker && worker->live && !worker->over && !slot->replace && serves(*worker));
      });
    };
    if (good_table_.generation < table_.generation && !last_good_.is_bad_table(table_.generation) &&
        all([&](const Worker& w) { return w.acked == table_.generation && now - w.table_sent >= kTableServes; })) {
      good_table_ = table_;
      last_good_.serves({"", table_.generation});
      keep_fallback();
    }
    const auto found = std::ranges::find_if(slots_, [](const auto& slot) { return slot->wanted && slot->worker; });
    if (found == slots_.end() || !(*found)->worker->program) continue;
    const auto worker = (*found)->worker;
    if (!all([&](const Worker& w) { return w.basis.program == worker->basis.program && now - w.began >= kProgramServes; })) {
      continue;
    }
    const auto identity = worker->basis.program;
    auto program = std::move(worker->program);
    for (const auto& other : all_) {
      if (other->basis.program == identity) other->program.reset();
    }
    Result<> kept;
    if (identity != copy_.identity()) kept = co_await copy_.keep(io_, std::move(program), identity);
    if (kept) last_good_.serves({identity, 0});
    else spdlog::warn("the program of the workers is not kept for worse days: {}", kept.error().text);
  }
}

std::optional<api::FallbackView> Workers::fallback() const {
  api::FallbackView view;
  for (const auto& slot : slots_) {
    if (!slot->worker || !slot->worker->live) continue;
    if (slot->worker->is_copy) view.program = copy_.path();
    if (slot->worker->basis.generation < table_.generation && last_good_.is_bad_table(table_.generation)) {
      view.generation = good_table_.generation;
    }
  }
  if (view.program.empty() && !view.generation) return std::nullopt;
  view.since = fallback_since_;
  view.why = fallback_why_;
  return view;
}

}  // namespace fleet
