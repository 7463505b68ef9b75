#include "worker.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encryption/tls_memory.hpp"
#include "self_test.hpp"

namespace fleet::proxy {
namespace {

constexpr std::chrono::milliseconds kLastLines{500};  // to be written before the worker ends

// Everything here reports by Result; what escapes is a bug, and a worker with a bug is better replaced.
void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace

Worker::Worker(Loop& loop, os::Fd link_listener, WorkerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      proxy_(loop, Limits{}, *this),
      door_(proxy_,
            [this] {
              if (state_ == State::draining) finished();
            }),
      link_listener_(new Socket(loop, std::move(link_listener), Socket::Kind::listener)) {
  options_.overrides(proxy_.limits);
  proxy_.logs.write_with(options_.log_writer);
  proxy_.assets = options_.assets;
  link_listener_->set_listener(&dialled_);
  loop_.set_ticker(this);
}

// ---- link

void Worker::accept_link() {
  os::Fd fd(::accept4(link_listener_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    link_listener_->mute(true);  // out of descriptors, or the peer gave up; either way not before the next tick again
    link_paused_ = true;
    return;
  }
  if (link_) link_->close();
  Link::Owner& owner = *this;
  link_ = std::make_unique<Link>(loop_, std::move(fd), owner);
  greet();
}

void Worker::on_link_ended(const std::string& reason) {
  spdlog::info("link lost, going on with what there is generation={} reason=\"{}\"", proxy_.router.generation(), reason);
}

void Worker::greet() {
  wire::WorkerHello hello;
  hello.version = FLEET_VERSION;
  hello.id = options_.id;
  hello.slot = options_.slot;
  hello.pid = static_cast<std::uint32_t>(::getpid());
  hello.state = state_;
  hello.generation = proxy_.router.generation();
  hello.gives_keys = true;
  say(hello);
  last_stats_.reset();
  proxy_.router.figures.tell_all_again();
  reported_.clear();
  report_drained();
}

Result<> Worker::on_message(net::Incoming message) {
  if (message.is<wire::Listeners>()) return take_listeners(message);
  if (message.is<wire::Keys>()) return take_keys(message);
  if (message.is<wire::Table>()) return take_table(message);
  if (message.is<wire::GiveListeners>()) {
    say(wire::Listeners{door_.listener_infos()}, door_.listener_fds());
  } else if (message.is<wire::GiveKeys>()) {
    say(proxy_.tls ? proxy_.tls->keys() : wire::Keys());
  } else if (message.is<wire::AccessLogs>()) {
    return take_logs(message);
  } else if (message.is<wire::StatsRequest>()) {
    send_stats();
  } else if (message.is<wire::Accept>()) {
    if (state_ == State::ready) {
      state_ = State::accepting;
      door_.start_accepting();
      spdlog::info("accepting generation={} listeners={}", proxy_.router.generation(), door_.listener_infos().size());
    }
    if (state_ == State::accepting) say(wire::Accepting{});
  } else if (message.is<wire::DrainWorker>()) {
    TRY(const auto order, message.as<wire::DrainWorker>());
    proxy_.replaced = order.replaced;
    drain(order.deadline);
  } else {
    return fail("unexpected message of type " + std::to_string(message.type));
  }
  return {};
}

Result<> Worker::take_listeners(net::Incoming& message) {
  TRY(const auto listeners, message.as<wire::Listeners>());
  if (listeners.listeners.size() != message.fds.size()) return fail("Listeners: descriptors do not match");
  if (state_ == State::draining) return {};
  for (const auto& listener : listeners.listeners) {
    if (listener.scheme == wire::Scheme::https) {
      proxy_.https_port = listener.endpoint.port;
      break;
    }
  }
  door_.set_listeners(listeners.listeners, std::move(message.fds));
  return {};
}

Result<> Worker::take_keys(const net::Incoming& message) {
  TRY(const auto keys, message.as<wire::Keys>());
  wire::KeysAck ack;
  if (auto made = TlsContexts::make(keys, proxy_.tls.get())) {
    proxy_.tls = std::move(made->contexts);
    ack.refused = std::move(made->refused);
  } else {
    ack.error = made.error().text;
  }
  say(ack);
  return {};
}

Result<> Worker::take_table(net::Incoming& message) {
  TRY(const auto table, message.as<wire::Table>());
  wire::TableAck ack;
  ack.generation = table.table.generation;
  if (table.access_logs.size() != message.fds.size()) {
    ack.error = "descriptors of access logs do not match";
  } else if (table.table.generation < proxy_.router.generation()) {
    ack.error = "older than the table in force, generation " + std::to_string(proxy_.router.generation());
  } else {
    for (std::size_t i = 0; i < message.fds.size(); ++i) {
      proxy_.logs.open(table.access_logs[i], std::move(message.fds[i]));
    }
    if (auto taken = proxy_.router.swap(table.table, &proxy_.logs); taken) {
      take_settings(table.settings);
    } else {
      ack.error = std::move(taken.error().text);
    }
    proxy_.logs.forget_unused();
    std::erase_if(reported_, [this](const auto& id) { return !proxy_.router.targets().contains(id); });
  }
  ack.stats = stats();
  say(ack);
  reported_.clear();
  report_drained();
  proxy_.router.holds.release(Clock::now());
  if (state_ == State::fresh && !proving_) {
    proving_ = true;
    spawn(prove_ready(), rethrow);
  }
  return {};
}

// Connections there are go on, under the new limits.
void Worker::take_settings(const ProxySettings& settings) {
  proxy_.limits.take(settings);
  options_.overrides(proxy_.limits);
  proxy_.edge.set(settings);
}

Result<> Worker::take_logs(net::Incoming& message) {
  TRY(const auto logs, message.as<wire::AccessLogs>());
  if (logs.apps.size() != message.fds.size()) return fail("AccessLogs: descriptors do not match");
  for (std::size_t i = 0; i < logs.apps.size(); ++i) proxy_.logs.open(logs.apps[i], std::move(message.fds[i]));
  return {};
}

Task<> Worker::prove_ready() {
  const auto result = co_await self_test(proxy_, door_);
  proving_ = false;
  wire::WorkerReady ready;
  if (result) {
    if (state_ == State::fresh) state_ = State::ready;
  } else {
    ready.error = result.error().text;
  }
  say(ready);
}

// ---- drain

void Worker::drain(std::chrono::milliseconds deadline) {
  if (state_ == State::draining) return;
  spdlog::info("draining connections={} deadline_ms={}", door_.open(), deadline.count());
  state_ = State::draining;
  proxy_.draining = true;
  door_.stop_accepting();
  cut_at_ = Clock::now() + deadline;
  if (door_.open() == 0) return finished();
  door_.wake_all();
}

void Worker::finished() {
  proxy_.logs.finish(kLastLines);
  send_stats();
  wire::WorkerDrained drained;
  drained.cut = cut_;
  say(drained);
  spdlog::info("drained cut={}", cut_);
  loop_.stop();
}

// ---- clockwork

void Worker::on_tick() {
  const auto now = Clock::now();
  proxy_.logs.flush();
  proxy_.router.holds.release(now);
  if (std::exchange(link_paused_, false)) link_listener_->mute(false);
  door_.on_tick();
  if (now >= cut_at_) {
    cut_at_ = Clock::time_point::max();
    cut_ = door_.busy();
    door_.cut_all();
    return;
  }
  if (++ticks_ % 10 != 0) return;
  trim_memory();
  trim_blocks();
  loop_.trim();
  proxy_.router.close_idle_since(now - proxy_.limits.pool_idle);
  report_drained();
  if (last_stats_ != stats()) send_stats();
}

wire::Stats Worker::stats() {
  wire::Stats stats;
  stats.connections = door_.open();
  stats.accepted = door_.accepted();
  stats.unrouted = proxy_.unrouted;
  stats.unavailable = proxy_.unavailable;
  stats.held = proxy_.router.holds.size();
  stats.turned_away = door_.turned_away();
  stats.log_lines_lost = proxy_.logs.lost();
  proxy_.handshakes.tell(stats);
  stats.bad_proxy_headers = proxy_.edge.bad_headers;
  stats.over_address_limit = proxy_.edge.over_limit;
  stats.evicted = proxy_.edge.evicted;
  stats.slow_clients = proxy_.edge.slow;
  stats.loops = proxy_.edge.loops;
  for (const auto& [id, target] : proxy_.router.targets()) stats.targets.push_back(target->stats());
  return stats;
}

void Worker::send_stats() {
  if (!link_ || !link_->is_open()) return;
  if (const auto changes = proxy_.router.figures.changes(); !changes.releases.empty()) say(changes);
  last_stats_ = stats();
  say(*last_stats_);
  proxy_.router.forget_gone();
}

void Worker::report_drained() {
  for (const auto& [id, target] : proxy_.router.targets()) {
    if (target->state() == TargetState::draining && !target->gone()) target_quiet(*target);
  }
}

void Worker::target_quiet(Target& target) {
  if (!target.quiet() || target.gone() || !link_ || !link_->is_open()) return;
  if (reported_.insert(target.id).second) say(wire::TargetDrained{target.id});
}

}  // namespace fleet::proxy
