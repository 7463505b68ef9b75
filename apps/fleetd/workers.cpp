#include "workers.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>

#include "clock.hpp"
#include "os/unix_socket.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;

constexpr auto kHandshake = 10s;   // from the start of a worker to its READY
constexpr auto kAckPatience = 5s;  // a worker that does not take a table in this time is replaced
constexpr auto kStable = 10s;      // a worker that lived this long is replaced at once when it ends
constexpr milliseconds kMaxPause = 5s;

milliseconds pause_after(std::uint32_t quick_ends) {
  return quick_ends == 0 ? 0ms : std::min<milliseconds>(100ms * (1 << std::min(quick_ends - 1, 6u)), kMaxPause);
}

std::string new_worker_id(std::uint32_t slot) {
  const auto now = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return "worker-" + std::to_string(slot) + "-" + std::to_string(now.count());
}

}  // namespace

struct Workers::Worker {
  std::string id;
  std::uint32_t slot = 0, pid = 0;
  std::optional<Shim> shim;
  std::optional<net::Channel> link;
  wire::WorkerState said = wire::WorkerState::fresh;  // in its HELLO
  bool live = false;   // was told to accept: its acknowledgements count
  bool ended = false;  // its process has ended
  bool draining = false;
  std::uint64_t acked = 0;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now(), table_sent{};
  std::set<std::string> drained;
  wire::Stats stats;
  bool stats_asked = false;
  std::optional<std::string> keys_answer;

  void kill() {
    if (shim) shim->stop(SIGKILL, 0ms);
    if (link) link->close();
  }
};

struct Workers::Slot {
  std::shared_ptr<Worker> worker;
  std::uint32_t restarts = 0, quick_ends = 0;
};

Workers::Workers(net::asio::io_context& io, net::TaskGroup& tasks, const Paths& paths, Listeners& listeners, Events events)
    : io_(io), tasks_(tasks), paths_(paths), listeners_(listeners), events_(std::move(events)), changed_(io) {
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

net::Task<Result<>> Workers::adopt(const std::string& id, Shim shim, wire::ShimStatus status) {
  auto worker = std::make_shared<Worker>();
  worker->id = id;
  worker->shim = std::move(shim);
  worker->pid = status.pid;
  CO_TRYV(dial(*worker));
  net::Timer patience(io_, 2s);
  patience.async_wait([worker](boost::system::error_code error) {
    if (!error) worker->link->close();
  });
  const auto hello = co_await worker->link->receive();
  if (!hello || !hello->is<wire::WorkerHello>()) co_return fail("worker " + id + " does not greet");
  CO_TRY(const auto greeting, hello->as<wire::WorkerHello>());
  if (greeting.protocol != wire::kProtocol) co_return fail("worker " + id + " speaks another protocol");
  worker->slot = greeting.slot;
  worker->said = greeting.state;
  if (greeting.state == wire::WorkerState::draining) co_return fail("worker " + id + " is leaving");

  worker->link->send(wire::GiveListeners{});
  for (;;) {
    auto message = co_await worker->link->receive();
    if (!message) co_return fail("worker " + id + " does not answer");
    if (!message->is<wire::Listeners>()) continue;
    CO_TRY(auto given, message->as<wire::Listeners>());
    for (std::size_t i = 0; i < given.listeners.size() && i < message->fds.size(); ++i) {
      listeners_.adopt(greeting.slot, given.listeners[i], std::move(message->fds[i]));
    }
    break;
  }
  while (slots_.size() <= greeting.slot) slots_.push_back(std::make_unique<Slot>());
  if (slots_[greeting.slot]->worker) co_return fail("slot " + std::to_string(greeting.slot) + " has another worker");
  worker->live = greeting.state == wire::WorkerState::accepting;
  worker->acked = greeting.generation;
  slots_[greeting.slot]->worker = worker;
  spdlog::info("worker adopted id={} slot={} pid={} generation={}", id, worker->slot, worker->pid, worker->acked);
  co_return Result<>();
}

Result<> Workers::dial(Worker& worker) {
  TRY(os::Fd socket, os::connect_unix(paths_.worker_socket(worker.id)));
  worker.link.emplace(io_, std::move(socket));
  return {};
}

void Workers::begin(std::uint32_t slots, wire::Keys keys, RouteTable table) {
  keys_ = std::move(keys);
  table_ = std::move(table);
  while (slots_.size() < slots) slots_.push_back(std::make_unique<Slot>());
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) tasks_.spawn(keep(slot, slot < slots));
}

// ---- one slot ------------------------------------------------------------------------------------------------------

// One worker after the other. A slot that is not `wanted` any more only sees its adopted one out.
net::Task<> Workers::keep(std::uint32_t number, bool wanted) {
  auto& slot = *slots_[number];
  while (!closing_) {
    const bool adopted = slot.worker != nullptr;
    if (!adopted && !wanted) co_return;
    if (!adopted) {
      slot.worker = std::make_shared<Worker>();
      slot.worker->slot = number;
      slot.worker->id = new_worker_id(number);
    }
    const auto worker = slot.worker;
    const auto brought_up = co_await bring_up(worker, adopted);
    if (brought_up) {
      report(api::EventType::worker_started, *worker, adopted ? "adopted" : "accepts");
      changed_.cancel();
      check_acked();
      if (!wanted) drain(*worker, 30s);
      co_await serve(worker);
    }
    const bool asked_for = worker->draining;
    if (!asked_for && !closing_) {
      spdlog::error("worker ended id={} slot={} pid={} error=\"{}\"", worker->id, number, worker->pid,
                    brought_up ? "link lost" : brought_up.error().text);
    }
    lost(*worker);
    slot.worker.reset();
    changed_.cancel();
    if (asked_for && !wanted) co_return;
    if (closing_) co_return;
    ++slot.restarts;
    slot.quick_ends = std::chrono::steady_clock::now() - worker->began >= kStable ? 0 : slot.quick_ends + 1;
    net::Timer pause(io_, pause_after(slot.quick_ends > 1 ? slot.quick_ends - 1 : 0));
    if (std::get<0>(co_await pause.async_wait(net::use_result))) co_return;
  }
}

net::Task<Result<>> Workers::bring_up(std::shared_ptr<Worker> worker, bool adopted) {
  net::Timer patience(io_, kHandshake);
  patience.async_wait([worker](boost::system::error_code error) {
    if (!error) worker->kill();
  });
  if (!adopted) {
    if (auto started = co_await start(worker); !started) {
      worker->kill();
      co_return started;
    }
  }
  tasks_.spawn(watch_shim(worker));
  if (worker->said == wire::WorkerState::fresh) {
    auto ready = co_await hand_over(worker);
    if (!ready) worker->kill();
    co_return ready;
  }
  worker->link->send(keys_);
  send_table(*worker);
  if (!worker->live) worker->link->send(wire::Accept{});
  worker->live = true;
  co_return Result<>();
}

net::Task<Result<>> Workers::start(std::shared_ptr<Worker> worker) {
  CO_TRY(const os::Fd listener, os::listen_unix(paths_.worker_socket(worker->id), 0600));
  CO_TRY(worker->shim, Shim::start(io_, tasks_, paths_, worker->id));
  wire::Launch launch;
  launch.id = worker->id;
  launch.argv = {paths_.programs + "/fleet-proxy", "--id", worker->id, "--slot", std::to_string(worker->slot)};
  launch.cwd = "/";
  launch.log_file = paths_.worker_log(worker->slot);
  launch.log_max_bytes = 4u << 20;
  // The descriptor reaches the worker as 3, whence it takes its links.
  worker->shim->launch(launch, {listener.get()});
  for (;;) {
    const auto status = co_await worker->shim->status();
    if (!status) co_return fail("its shim ended");
    if (status->state == wire::ShimState::running) {
      worker->pid = status->pid;
      break;
    }
    if (status->state != wire::ShimState::empty) co_return fail(how_it_ended(*status));
  }
  CO_TRYV(dial(*worker));
  const auto hello = co_await worker->link->receive();
  if (!hello) co_return fail("it does not greet");
  CO_TRY(const auto greeting, hello->as<wire::WorkerHello>());
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
  worker->link->send(keys_);
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
    if (worker->keys_answer && !worker->keys_answer->empty()) co_return fail("it refused the keys: " + *worker->keys_answer);
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
    // The link may be lost without the worker; then it is dialled again, and told everything again.
    if (worker->ended || worker->draining || closing_ || !dial(*worker)) break;
    const auto hello = co_await worker->link->receive();
    if (!hello || !hello->is<wire::WorkerHello>()) break;
    worker->link->send(keys_);
    send_table(*worker);
  }
  if (!worker->ended) worker->kill();
}

net::Task<> Workers::watch_shim(std::shared_ptr<Worker> worker) {
  for (;;) {
    const auto status = co_await worker->shim->status();
    if (!status) co_return;  // without its shim it goes on; its link tells when it ends
    if (status->state != wire::ShimState::exited && status->state != wire::ShimState::failed) continue;
    worker->ended = true;
    if (!worker->draining) spdlog::warn("worker {} id={} pid={}", how_it_ended(*status), worker->id, worker->pid);
    worker->shim->dismiss();
    if (worker->link) worker->link->close();
    ::unlink(paths_.worker_socket(worker->id).c_str());
    co_return;
  }
}

void Workers::take(Worker& worker, const net::Incoming& message) {
  if (message.is<wire::TableAck>()) {
    auto ack = message.as<wire::TableAck>();
    if (!ack) return worker.kill();
    set_stats(worker, std::move(ack->stats));
    if (!ack->error.empty()) {
      spdlog::error("worker refused a table id={} generation={} error=\"{}\"", worker.id, ack->generation, ack->error);
      return worker.kill();
    }
    worker.acked = ack->generation;
    worker.drained.clear();  // said again after each table
    if (worker.live) check_acked();
  } else if (message.is<wire::TargetDrained>()) {
    const auto drained = message.as<wire::TargetDrained>();
    if (!drained) return worker.kill();
    worker.drained.insert(drained->target);
    check_drained(drained->target);
  } else if (message.is<wire::Stats>()) {
    auto stats = message.as<wire::Stats>();
    if (!stats) return worker.kill();
    set_stats(worker, std::move(*stats));
    worker.stats_asked = false;
    changed_.cancel();
  } else if (message.is<wire::KeysAck>()) {
    const auto ack = message.as<wire::KeysAck>();
    worker.keys_answer = ack ? ack->error : ack.error().text;
    changed_.cancel();
  }
}

void Workers::lost(Worker& worker) {
  worker.live = false;
  set_stats(worker, {});
  if (worker.pid != 0) report(api::EventType::worker_exited, worker, "ended");
  check_acked();
  for (const auto& target : draining_targets()) check_drained(target);
}

// ---- tables --------------------------------------------------------------------------------------------------------

void Workers::publish(const RouteTable& table) {
  table_ = table;
  for (const auto& slot : slots_) {
    if (slot->worker && slot->worker->link && slot->worker->table_sent != decltype(slot->worker->table_sent){}) {
      send_table(*slot->worker);
    }
  }
  check_acked();
  if (!watching_acks_) tasks_.spawn(watch_acks());
}

void Workers::send_table(Worker& worker) {
  wire::Table message;
  message.table = table_;
  std::vector<int> fds;
  for (const auto& route : table_.routes) {
    const int fd = access_log(route.app);
    if (fd < 0 || fds.size() >= wire::kMaxFds) continue;
    message.access_logs.push_back(route.app);
    fds.push_back(fd);
  }
  worker.table_sent = std::chrono::steady_clock::now();
  worker.link->send(message, fds);
}

// A worker that holds up a table is replaced; the deploy waits for its successor.
net::Task<> Workers::watch_acks() {
  watching_acks_ = true;
  while (acked() < table_.generation && !closing_) {
    net::Timer timer(io_, 1s);
    if (std::get<0>(co_await timer.async_wait(net::use_result))) break;
    for (const auto& slot : slots_) {
      const auto& worker = slot->worker;
      if (!worker || !worker->live || worker->acked >= table_.generation) continue;
      if (std::chrono::steady_clock::now() - worker->table_sent < kAckPatience) continue;
      spdlog::error("worker does not take the table, replacing it id={} acked={} generation={}", worker->id, worker->acked,
                    table_.generation);
      worker->kill();
    }
  }
  watching_acks_ = false;
}

int Workers::access_log(const std::string& app) {
  auto& log = access_logs_[app];
  if (!log) log.reset(::open(paths_.access_log(app).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  return log.get();
}

std::uint64_t Workers::acked() const {
  auto lowest = table_.generation;
  for (const auto& slot : slots_) {
    if (slot->worker && slot->worker->live) lowest = std::min(lowest, slot->worker->acked);
  }
  return lowest;
}

void Workers::check_acked() {
  const auto lowest = acked();
  if (lowest > told_acked_) {
    told_acked_ = lowest;
    events_.acked(lowest);
  }
}

std::vector<std::string> Workers::draining_targets() const {
  std::vector<std::string> ids;
  for (const auto& route : table_.routes) {
    for (const auto& release : route.releases) {
      for (const auto& target : release.targets) {
        if (target.state == TargetState::draining) ids.push_back(target.id);
      }
    }
  }
  return ids;
}

void Workers::check_drained(const std::string& target) {
  for (const auto& slot : slots_) {
    const auto& worker = slot->worker;
    if (worker && worker->live && (worker->acked < table_.generation || !worker->drained.contains(target))) return;
  }
  const auto draining = draining_targets();
  if (std::ranges::find(draining, target) != draining.end()) events_.drained(target);
}

// ---- keys, figures, the end ----------------------------------------------------------------------------------------

net::Task<Result<>> Workers::set_keys(wire::Keys keys) {
  keys_ = std::move(keys);
  std::vector<std::shared_ptr<Worker>> asked;
  for (const auto& slot : slots_) {
    if (!slot->worker || !slot->worker->live) continue;
    slot->worker->keys_answer.reset();
    slot->worker->link->send(keys_);
    asked.push_back(slot->worker);
  }
  const auto until = std::chrono::steady_clock::now() + kAckPatience;
  for (const auto& worker : asked) {
    while (!worker->keys_answer && worker->live) {
      if (!co_await wait_changed(until)) co_return fail("worker " + worker->id + " does not answer");
    }
    if (worker->keys_answer && !worker->keys_answer->empty()) {
      co_return fail(ErrorKind::usage, "worker " + worker->id + " refused the certificates: " + *worker->keys_answer);
    }
  }
  co_return Result<>();
}

net::Task<Result<>> Workers::wait_accepting(milliseconds at_most) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  for (;;) {
    const auto missing = std::ranges::find_if(slots_, [](const auto& s) { return !s->worker || !s->worker->live; });
    if (missing == slots_.end()) co_return Result<>();
    if (!co_await wait_changed(until)) {
      co_return fail("worker slot " + std::to_string(missing - slots_.begin()) + " does not come up (see " +
                     paths_.worker_log(static_cast<std::uint32_t>(missing - slots_.begin())) + ")");
    }
  }
}

net::Task<> Workers::refresh(milliseconds at_most) {
  for (const auto& slot : slots_) {
    if (!slot->worker || !slot->worker->live) continue;
    slot->worker->stats_asked = true;
    slot->worker->link->send(wire::StatsRequest{});
  }
  const auto until = std::chrono::steady_clock::now() + at_most;
  const auto pending = [](const auto& s) { return s->worker && s->worker->live && s->worker->stats_asked; };
  while (std::ranges::any_of(slots_, pending)) {
    if (!co_await wait_changed(until)) co_return;
  }
}

void Workers::drain(Worker& worker, milliseconds deadline) {
  worker.draining = true;
  wire::DrainWorker order;
  order.deadline = deadline;
  worker.link->send(order);
}

net::Task<> Workers::drain_all(milliseconds deadline) {
  closing_ = true;
  for (const auto& slot : slots_) {
    if (!slot->worker) continue;
    if (slot->worker->live && slot->worker->link) {
      drain(*slot->worker, deadline);
    } else {
      slot->worker->kill();
    }
  }
  const auto any = [](const auto& s) { return s->worker != nullptr; };
  const auto until = std::chrono::steady_clock::now() + deadline + 3s;
  while (std::ranges::any_of(slots_, any)) {
    if (co_await wait_changed(until)) continue;
    for (const auto& slot : slots_) {
      if (slot->worker) slot->worker->kill();
    }
    co_return;
  }
}

void Workers::set_stats(Worker& worker, wire::Stats stats) {
  // Targets that are not mentioned any more keep their place in the sums.
  for (const auto& old : worker.stats.targets) {
    const auto same = [&](const wire::TargetStats& t) { return t.target == old.target; };
    if (std::ranges::none_of(stats.targets, same)) add(past_[old.app], old);
  }
  worker.stats = std::move(stats);
}

void Workers::add(Totals& totals, const wire::TargetStats& stats) {
  totals.requests += stats.requests;
  totals.failed += stats.failed;
  totals.client_aborted += stats.client_aborted;
  totals.retried += stats.retried;
  totals.held += stats.held;
}

Totals Workers::totals(const std::string& app) const {
  const auto found = past_.find(app);
  Totals sum = found == past_.end() ? Totals{} : found->second;
  for (const auto& slot : slots_) {
    if (!slot->worker) continue;
    for (const auto& target : slot->worker->stats.targets) {
      if (target.app == app) add(sum, target);
    }
  }
  return sum;
}

std::uint32_t Workers::in_flight(const std::string& id) const {
  std::uint32_t sum = 0;
  for (const auto& slot : slots_) {
    if (!slot->worker) continue;
    for (const auto& target : slot->worker->stats.targets) sum += target.target == id ? target.in_flight : 0;
  }
  return sum;
}

std::vector<api::WorkerView> Workers::view() const {
  std::vector<api::WorkerView> all;
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    const auto& slot = *slots_[number];
    api::WorkerView view;
    view.slot = number;
    view.restarts = slot.restarts;
    view.state = api::WorkerState::backoff;
    if (slot.worker) {
      view.pid = slot.worker->pid;
      view.id = slot.worker->id;
      view.connections = slot.worker->stats.connections;
      view.state = slot.worker->draining ? api::WorkerState::draining
                   : slot.worker->live   ? api::WorkerState::accepting
                                         : api::WorkerState::starting;
    }
    all.push_back(std::move(view));
  }
  return all;
}

void Workers::report(api::EventType type, const Worker& worker, std::string message) {
  api::EventView event;
  event.type = type;
  event.message = "worker " + std::to_string(worker.slot) + " " + message;
  event.data.slot = worker.slot;
  event.data.pid = worker.pid;
  events_.report(std::move(event));
}

}  // namespace fleet
