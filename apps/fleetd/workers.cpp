#include "worker.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "cgroups.hpp"
#include "clock.hpp"
#include "os/process.hpp"
#include "os/unix_socket.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr milliseconds kGreeting = 2s;      // from a dial to the HELLO
constexpr milliseconds kBetweenDials = 100ms;
constexpr auto kHandshake = 10s;  // from the start of a worker to its READY
constexpr auto kStable = 10s;     // what ends a worker that lived this long is not what it was started with
constexpr auto kSettled = 1s;     // a worker that lived this long is replaced at once when it ends
constexpr milliseconds kMaxPause = 5s;
constexpr auto kRecordWithin = 1s;
constexpr milliseconds kRetirement = 30s;  // a replaced worker's connections have this long

milliseconds pause_after(std::uint32_t quick_ends) {
  return quick_ends == 0 ? 0ms : std::min<milliseconds>(100ms * (1 << std::min(quick_ends - 1, 6u)), kMaxPause);
}

std::string new_worker_id(std::uint32_t slot) {
  const auto now = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return "worker-" + std::to_string(slot) + "-" + std::to_string(now.count());
}

}  // namespace

Workers::Workers(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, Listeners& listeners, Events events)
    : io_(io), tasks_(tasks), paths_(paths), listeners_(listeners), events_(std::move(events)), copy_(paths.state + "/proxy"), access_logs_(paths), changed_(io) {
  changed_.expires_at(net::Timer::time_point::max());
}
Workers::~Workers() = default;

net::Task<bool> Workers::wait_changed(net::Timer::time_point until) {
  if (std::chrono::steady_clock::now() >= until) co_return false;
  net::Timer deadline(io_, until);
  deadline.async_wait([this](boost::system::error_code error) {
    if (!error) changed_.cancel();
  });
  (void)co_await changed_.async_wait(net::use_result);
  co_return true;
}

// ---- adopting ------------------------------------------------------------------------------------------------------

net::Task<Result<>> Workers::adopt(const std::string& id, std::optional<Shim> shim) {
  auto worker = std::make_shared<Worker>();
  worker->id = id;
  worker->shim = std::move(shim);
  CO_TRYV(dial(*worker));
  const net::Timer patience = hang_up_after(kGreeting, worker);
  const auto hello = co_await worker->link->receive();
  if (!hello || !hello->is<wire::WorkerHello>()) co_return fail("worker " + id + " does not greet");
  CO_TRY(const auto greeting, hello->as<wire::WorkerHello>());
  worker->pid = greeting.pid;
  worker->version = greeting.version;
  worker->start_time = os::start_time_of(static_cast<pid_t>(greeting.pid));
  if (greeting.protocol != wire::kProtocol) co_return fail("worker " + id + " speaks another protocol");
  worker->slot = greeting.slot;
  worker->program = os::Fd(::open(("/proc/" + std::to_string(greeting.pid) + "/exe").c_str(), O_RDONLY | O_CLOEXEC));
  worker->basis.program = identity_of(worker->program.get());
  if (greeting.state == wire::WorkerState::fresh) co_return fail("worker " + id + " was not ready yet");

  worker->link->send(wire::GiveListeners{});
  for (;;) {
    auto message = co_await worker->link->receive();
    if (!message) co_return fail("worker " + id + " does not answer");
    if (!message->is<wire::Listeners>()) continue;
    CO_TRY(auto given, message->as<wire::Listeners>());
    for (std::size_t i = 0; i < given.listeners.size() && i < message->fds.size(); ++i) {
      listeners_.adopt(greeting.slot, given.listeners[i], std::move(message->fds[i]));
    }
    worker->listeners = std::move(given.listeners);
    break;
  }
  if (greeting.gives_keys) worker->link->send(wire::GiveKeys{});
  while (greeting.gives_keys) {
    const auto message = co_await worker->link->receive();
    if (!message) co_return fail("worker " + id + " does not answer");
    if (!message->is<wire::Keys>()) continue;
    CO_TRY(auto held, message->as<wire::Keys>());
    held_keys_.push_back(std::move(held));
    break;
  }
  while (slots_.size() <= greeting.slot) slots_.push_back(std::make_unique<Slot>());
  worker->live = greeting.state != wire::WorkerState::ready;
  worker->acked = greeting.generation;
  worker->draining = greeting.state == wire::WorkerState::draining;
  // Of two in one slot, one was to replace the other when fleetd ended: either will do.
  auto& slot = *slots_[greeting.slot];
  if (!worker->draining && !slot.worker) slot.worker = worker;
  all_.push_back(worker);
  spdlog::info("worker adopted id={} slot={} pid={} generation={}", id, worker->slot, worker->pid, worker->acked);
  co_return Result<>();
}

// Ends the worker's link then, unless the timer is gone before.
net::Timer Workers::hang_up_after(milliseconds time, std::shared_ptr<Worker> worker) {
  net::Timer timer(io_, time);
  timer.async_wait([link = std::weak_ptr(worker)](boost::system::error_code error) {
    const auto waited_for = link.lock();
    if (!error && waited_for && waited_for->link) waited_for->link->close();
  });
  return timer;
}

Result<> Workers::dial(Worker& worker) {
  TRY(os::Fd socket, os::connect_unix(paths_.worker_socket(worker.id)));
  worker.link.emplace(io_, std::move(socket));
  worker.dialled = std::chrono::steady_clock::now();
  worker.keys_sent = worker.keys_acked = 0;
  return {};
}

void Workers::begin(std::uint32_t slots, wire::Keys keys, RouteTable table) {
  keys_ = std::move(keys);
  table_ = std::move(table);
  restore_fallback();
  // A copy: one that has ended since it was adopted is taken out of all_ as soon as it is served.
  for (const auto& worker : std::vector(all_)) {
    send_keys(*worker);
    send_table(*worker);
    if (!worker->live) worker->link->send(wire::Accept{});
    worker->live = true;
    if (worker->shim) watch(worker);
    tasks_.spawn(serve(worker));
    if (!worker->draining && slots_[worker->slot]->worker != worker) retire(*worker);
  }
  tasks_.spawn(keep_record());
  tasks_.spawn(watch_logs());
  tasks_.spawn(look_for_good());
  want(slots);
}

void Workers::configure(std::uint32_t slots) {
  try_again();
  want(slots);
}

void Workers::want(std::uint32_t slots) {
  while (slots_.size() < slots) slots_.push_back(std::make_unique<Slot>());
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    auto& slot = *slots_[number];
    slot.wanted = number < slots;
    slot.replace = slot.worker && (!slot.worker->shim || !has_its_listeners(*slot.worker));
    if (!std::exchange(slot.kept, true)) tasks_.spawn(keep(number));
  }
  changed_.cancel();
}

net::Task<Result<std::uint32_t>> Workers::upgrade() {
  try_again();
  std::uint32_t done = 0;
  for (std::size_t number = 0; number < slots_.size(); ++number) {
    auto& slot = *slots_[number];
    if (!slot.wanted) continue;
    const auto former = slot.worker;
    slot.not_replaced.clear();
    slot.replace = true;
    changed_.cancel();
    const auto until = std::chrono::steady_clock::now() + kHandshake + kMaxPause;
    while (slot.not_replaced.empty() && (!slot.worker || slot.worker == former) && !closing_ && co_await wait_changed(until)) {
    }
    if (!slot.worker || slot.worker == former) {
      const auto why = slot.not_replaced.empty() ? "it takes too long" : slot.not_replaced;
      co_return fail(ErrorKind::unhealthy, "the new worker of slot " + std::to_string(number) + " does not come up: " + why +
                                               " (see " + paths_.worker_log(static_cast<std::uint32_t>(number)) +
                                               "); the former ones go on");
    }
    ++done;
  }
  co_return done;
}

// ---- one slot ------------------------------------------------------------------------------------------------------

// One worker after the other, for as long as the slot is wanted. A worker that is to be replaced goes on accepting
// until its successor does.
net::Task<> Workers::keep(std::uint32_t number) {
  auto& slot = *slots_[number];
  while (!closing_ && (slot.wanted || slot.worker)) {
    if (slot.worker && slot.worker->over) {
      ++slot.restarts;
      slot.quick_ends = std::chrono::steady_clock::now() - slot.worker->began >= kSettled ? 0 : slot.quick_ends + 1;
      slot.worker.reset();
      if (slot.quick_ends > 1) co_await pause(pause_after(slot.quick_ends - 1));
    } else if (slot.worker && !slot.wanted) {
      retire(*std::exchange(slot.worker, nullptr));
    } else if (!slot.worker || slot.replace) {
      slot.replace = false;
      auto successor = co_await bring_up(number);
      if (successor) {
        if (slot.worker) retire(*slot.worker);
        slot.worker = std::move(*successor);
        slot.replace = !has_its_listeners(*slot.worker);
        changed_.cancel();
      } else {
        slot.not_replaced = successor.error().text;
        changed_.cancel();
        if (!slot.worker) co_await pause(pause_after(++slot.quick_ends));
      }
    } else {
      (void)co_await wait_changed(net::Timer::time_point::max());
    }
  }
  slot.kept = false;
}

net::Task<> Workers::pause(milliseconds time) {
  net::Timer timer(io_, time);
  (void)co_await timer.async_wait(net::use_result);
}

// Whether a worker that did not come to accept is to blame itself: it crashed, or it runs and says that it will not do.
net::Task<bool> Workers::is_at_fault(std::shared_ptr<Worker> worker) {
  const auto until = std::chrono::steady_clock::now() + 1s;
  const bool said_so = worker->overdue || (worker->link && worker->link->is_open());
  while (!said_so && worker->shim && !worker->ended && co_await wait_changed(until)) {
  }
  co_return said_so || worker->crashed;
}

// From nothing to accepting; or an error, said in the log, and nothing is left of it.
net::Task<Result<std::shared_ptr<Workers::Worker>>> Workers::bring_up(std::uint32_t number) {
  const auto worker = std::make_shared<Worker>();
  worker->slot = number;
  worker->id = new_worker_id(number);
  worker->listeners = listener_infos(number);
  net::Timer patience(io_, kHandshake);
  patience.async_wait([worker](boost::system::error_code error) {
    if (error) return;
    worker->overdue = true;
    worker->kill();
  });
  ++starting_;
  auto up = co_await start(worker);
  if (worker->shim) watch(worker);
  --starting_;
  if (closing_) up = fail("fleetd ends");
  if (up) {
    all_.push_back(worker);
    figures_changed_ = true;
    up = co_await hand_over(worker);
  }
  if (!up) {
    const bool given_table = worker->basis.generation != 0;
    bool at_fault = !given_table && !closing_;
    if (given_table) at_fault = co_await is_at_fault(worker);
    if (at_fault) note_fault(*worker, given_table && !worker->overdue, up.error().text);
    spdlog::error("worker not brought up id={} slot={}: {} log={}", worker->id, number, up.error().text,
                  paths_.worker_log(number));
    worker->kill();
    if (worker->shim) worker->shim->dismiss();  // heeded if its program never ran
    lost(*worker);
    co_return std::unexpected(up.error());
  }
  report(api::EventType::worker_started, *worker, "accepts");
  check_acked();
  tasks_.spawn(serve(worker));
  co_return worker;
}

net::Task<Result<>> Workers::start(std::shared_ptr<Worker> worker) {
  CO_TRY(os::Fd listener, os::listen_unix(paths_.worker_socket(worker->id), 0600));
  CO_TRY(worker->shim, Shim::start(io_, tasks_, paths_, worker->id));
  wire::Launch launch;
  launch.id = worker->id;
  launch.argv = {program_for(*worker), "--id", worker->id, "--slot", std::to_string(worker->slot)};
  launch.env["FLEET_RELEASES"] = paths_.app_releases("");  // not an option, which a former version would not know
  launch.cwd = "/";
  launch.log_file = paths_.worker_log(worker->slot);
  launch.log_max_bytes = 4u << 20;
  confine(paths_, worker->id, {}, launch.confined);
  // The descriptor reaches the worker as 3, whence it takes its links.
  worker->shim->launch(launch, {listener.get()});
  for (;;) {
    const auto status = co_await worker->shim->status();
    if (!status) co_return fail("its shim ended");
    if (status->state == wire::ShimState::running) {
      worker->pid = status->pid;
      worker->start_time = status->start_time;
      check_program(*worker);
      break;
    }
    if (status->state != wire::ShimState::empty) co_return fail(how_it_ended(*status));
  }
  CO_TRYV(dial(*worker));
  listener.reset();  // so that the link ends with the worker, though it never took it
  const auto hello = co_await worker->link->receive();
  if (!hello) {
    const auto last = co_await worker->shim->status_within(io_, 1s);
    const bool has_ended = last && last->state != wire::ShimState::running;
    co_return fail(has_ended ? "it " + how_it_ended(*last) : "it does not greet");
  }
  CO_TRY(const auto greeting, hello->as<wire::WorkerHello>());
  worker->version = greeting.version;
  if (greeting.protocol != wire::kProtocol) co_return fail("it speaks protocol " + std::to_string(greeting.protocol));
  co_return Result<>();
}

// A fresh worker: everything it needs, its self-test, then it may accept.
net::Task<Result<>> Workers::hand_over(std::shared_ptr<Worker> worker) {
  wire::Listeners listeners;
  std::vector<int> fds;
  for (const auto& listener : listeners_.of(worker->slot)) {
    listeners.listeners.push_back(listener.info);
    fds.push_back(listener.fd.get());
  }
  worker->link->send(listeners, fds);
  send_keys(*worker);
  send_table(*worker);
  for (;;) {
    const auto message = co_await worker->link->receive();
    if (!message) co_return fail("it ended before it was ready");
    if (message->is<wire::WorkerReady>()) {
      CO_TRY(const auto ready, message->as<wire::WorkerReady>());
      if (!ready.error.empty()) co_return fail("its self-test failed: " + ready.error);
      break;
    }
    take(*worker, *message);
    if (!worker->keys_answer.error.empty()) co_return fail("it refused the keys: " + worker->keys_answer.error);
  }
  worker->live = true;
  worker->link->send(wire::Accept{});
  for (;;) {
    const auto message = co_await worker->link->receive();
    if (!message) co_return fail("it ended before it accepted");
    if (message->is<wire::Accepting>()) co_return Result<>();
    take(*worker, *message);
  }
}

net::Task<> Workers::serve(std::shared_ptr<Worker> worker) {
  for (;;) {
    const auto message = co_await worker->link->receive();
    if (message) {
      take(*worker, *message);
      continue;
    }
    // The link may be lost without the worker; then it is dialled again, once a while, and told everything again. A
    // worker that has ended cannot be dialled, which is known sooner than its shim can tell.
    if (worker->ended || worker->draining || closing_) break;
    const auto not_before = worker->dialled + kBetweenDials;
    while (!worker->ended && !closing_ && co_await wait_changed(not_before)) {
    }
    if (worker->ended || closing_ || !dial(*worker)) break;
    const net::Timer patience = hang_up_after(kGreeting, worker);
    const auto hello = co_await worker->link->receive();
    if (!hello || !hello->is<wire::WorkerHello>()) break;
    send_keys(*worker);
    send_table(*worker);
  }
  if (!worker->draining) spdlog::error("worker lost id={} slot={} pid={}", worker->id, worker->slot, worker->pid);
  const bool drained_alone = worker->draining && !worker->shim;  // nobody but the link could tell that it has ended
  if (!worker->ended && !drained_alone) worker->kill();
  lost(*worker);
}

void Workers::watch(std::shared_ptr<Worker> worker) {
  ++watched_;
  tasks_.spawn(watch_shim(std::move(worker)));
}

net::Task<> Workers::watch_shim(std::shared_ptr<Worker> worker) {
  for (;;) {
    const auto status = co_await worker->shim->status();
    if (!status) break;
    if (status->state != wire::ShimState::exited && status->state != wire::ShimState::failed) continue;
    worker->ended = true;
    worker->crashed = status->state == wire::ShimState::failed || (status->signal != SIGKILL && status->exit_code != 0);
    const auto now = std::chrono::steady_clock::now();
    const bool soon = now - worker->began < kStable, after_table = now - worker->table_sent < kStable;
    if (!worker->draining && worker->crashed && (soon || after_table)) note_fault(*worker, after_table, how_it_ended(*status));
    if (!worker->draining) spdlog::warn("worker {} id={} pid={}", how_it_ended(*status), worker->id, worker->pid);
    worker->shim->dismiss();
    if (worker->link) worker->link->close();
    ::unlink(paths_.worker_socket(worker->id).c_str());
    break;
  }
  if (!worker->ended) {
    // It serves on without its shim, but nobody captures its output any more: a successor takes its place.
    spdlog::warn("the shim of a worker is gone id={} pid={}", worker->id, worker->pid);
    worker->shim.reset();
    if (auto& slot = *slots_[worker->slot]; slot.worker == worker) slot.replace = true;
  }
  --watched_;
  changed_.cancel();
}

void Workers::take(Worker& worker, const net::Incoming& message) {
  if (message.is<wire::TableAck>()) {
    auto ack = message.as<wire::TableAck>();
    if (!ack) return worker.kill();
    set_stats(worker, std::move(ack->stats));
    if (!ack->error.empty()) {
      spdlog::error("worker refused a table id={} generation={} error=\"{}\"", worker.id, ack->generation, ack->error);
      note_fault(worker, true, "refused the table: " + ack->error);
      return worker.kill();
    }
    worker.acked = ack->generation;
    worker.drained.clear();  // said again after each table
    if (worker.live) check_acked();
    changed_.cancel();
  } else if (message.is<wire::TargetDrained>()) {
    const auto drained = message.as<wire::TargetDrained>();
    if (!drained) return worker.kill();
    worker.drained.insert(drained->target);
    for (auto& target : worker.stats.targets) {
      if (target.target == drained->target) target.in_flight = 0;
    }
    check_drained(drained->target);
  } else if (message.is<wire::Figures>()) {
    const auto figures = message.as<wire::Figures>();
    if (!figures) return worker.kill();
    take_figures(worker, *figures);
  } else if (message.is<wire::Stats>()) {
    auto stats = message.as<wire::Stats>();
    if (!stats) return worker.kill();
    set_stats(worker, std::move(*stats));
    worker.stats_asked = false;
    changed_.cancel();
  } else if (message.is<wire::KeysAck>()) {
    auto ack = message.as<wire::KeysAck>();
    if (!ack) return worker.kill();
    worker.keys_answer = std::move(*ack);
    ++worker.keys_acked;
    changed_.cancel();
  }
}

void Workers::lost(Worker& worker) {
  worker.live = false;
  worker.over = true;
  if (!worker.shim) {  // which would have done so
    end_cgroup(io_, tasks_, paths_, worker.id);
    ::unlink(paths_.worker_socket(worker.id).c_str());
    ::unlink(paths_.shim_socket(worker.id).c_str());
  }
  set_stats(worker, {});
  fleet::add(past_figures_, std::exchange(worker.figures, {}));
  std::erase_if(all_, [&](const auto& w) { return w.get() == &worker; });
  figures_changed_ = true;
  if (worker.pid != 0) report(api::EventType::worker_exited, worker, "ended");
  changed_.cancel();
  check_acked();
  for (const auto& target : draining_targets()) check_drained(target);
}

// ---- the end -------------------------------------------------------------------------------------------------------

net::Task<Result<>> Workers::wait_accepting(milliseconds at_most) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    const auto missing = std::ranges::find_if(
        slots_, [](const auto& s) { return s->wanted && (!s->worker || !s->worker->live || s->replace); });
    if (missing == slots_.end()) co_return Result<>();
    if (!co_await wait_changed(until)) {
      co_return fail("worker slot " + std::to_string(missing - slots_.begin()) + " does not come up (see " +
                     paths_.worker_log(static_cast<std::uint32_t>(missing - slots_.begin())) + ")");
    }
  }
}

void Workers::drain(Worker& worker, milliseconds deadline, bool replaced) {
  worker.draining = true;
  wire::DrainWorker order;
  order.deadline = deadline;
  order.replaced = replaced;
  worker.link->send(order);
}

void Workers::retire(Worker& worker) {
  if (!worker.over) drain(worker, kRetirement, true);
}

net::Task<> Workers::drain_all(milliseconds deadline) {
  closing_ = true;
  changed_.cancel();
  for (const auto& worker : all_) {
    if (worker->live) drain(*worker, deadline);
    else worker->kill();
  }
  auto until = std::chrono::steady_clock::now() + deadline + 3s;
  while (!all_.empty() || watched_ > 0 || starting_ > 0) {
    if (co_await wait_changed(until)) continue;
    if (all_.empty()) break;
    for (const auto& worker : std::vector(all_)) worker->kill();
    until += 2s;
  }
  write_record();
}

std::vector<wire::ListenerInfo> Workers::listener_infos(std::uint32_t slot) const {
  std::vector<wire::ListenerInfo> infos;
  for (const auto& listener : listeners_.of(slot)) infos.push_back(listener.info);
  return infos;
}

bool Workers::has_its_listeners(const Worker& worker) const {
  return std::ranges::is_permutation(worker.listeners, listener_infos(worker.slot));
}

void Workers::report(api::EventType type, const Worker& worker, std::string message) {
  api::EventView event;
  event.type = type;
  event.message = "worker " + std::to_string(worker.slot) + " " + message;
  event.data.slot = worker.slot;
  event.data.pid = worker.pid;
  event.time = wall_time();
  to_report_.push_back(std::move(event));
}

// Of workers that begin and end. It is written when no slot lacks a worker, or kRecordWithin later: a disk takes its
// time, and who waits in such a slot's queue has none.
net::Task<> Workers::keep_record() {
  const auto lacks_one = [](const auto& slot) { return slot->wanted && (!slot->worker || slot->worker->over); };
  for (;;) {
    if (to_report_.empty() && !figures_changed_) {
      (void)co_await wait_changed(net::Timer::time_point::max());
      continue;
    }
    const auto until = std::chrono::steady_clock::now() + kRecordWithin;
    while (!closing_ && std::ranges::any_of(slots_, lacks_one) && co_await wait_changed(until)) {
    }
    write_record();
  }
}

void Workers::write_record() {
  if (std::exchange(figures_changed_, false)) keep_figures();
  for (auto& event : std::exchange(to_report_, {})) events_.report(std::move(event));
}

}  // namespace fleet
