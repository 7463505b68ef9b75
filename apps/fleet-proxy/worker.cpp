#include "worker.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>

#include "self_test.hpp"

namespace fleet::proxy {
namespace {

// Everything here reports by Result; what escapes is a bug, and a worker with a bug is better replaced.
void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace

Worker::Worker(asio::io_context& io, os::Fd link_listener, WorkerOptions options)
    : io_(io),
      options_(std::move(options)),
      proxy_(io, options_.limits, *this),
      door_(proxy_,
            [this] {
              if (state_ == State::draining) finished();
            }),
      link_listener_(io, link_listener.release()),
      ticker_(io),
      drain_timer_(io) {}

void Worker::start() {
  asio::co_spawn(io_, accept_links(), rethrow);
  asio::co_spawn(io_, tick(), rethrow);
}

// ---- link

Task<> Worker::accept_links() {
  for (;;) {
    auto [error] = co_await link_listener_.async_wait(asio::posix::descriptor_base::wait_read, net::use_result);
    if (error) co_return;
    os::Fd fd(::accept4(link_listener_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {  // out of descriptors, or the peer gave up; either way not at once again
      net::Timer pause(io_, Watchdog::kTick);
      co_await pause.async_wait(net::use_result);
      continue;
    }
    if (link_) link_->close();
    link_ = std::make_shared<net::Channel>(io_, std::move(fd));
    asio::co_spawn(io_, serve_link(++links_), rethrow);
  }
}

Task<> Worker::serve_link(std::uint64_t number) {
  const auto link = link_;
  greet();
  for (;;) {
    auto message = co_await link->receive();
    if (number != links_) co_return;  // a newer link has taken over
    auto handled = message ? handle(std::move(*message)) : Result<>(std::unexpected(message.error()));
    if (handled) continue;
    spdlog::info("link lost, going on with what there is generation={} reason=\"{}\"", proxy_.router.generation(),
                 handled.error().text);
    link->close();
    link_.reset();
    co_return;
  }
}

void Worker::greet() {
  wire::WorkerHello hello;
  hello.version = FLEET_VERSION;
  hello.id = options_.id;
  hello.slot = options_.slot;
  hello.pid = static_cast<std::uint32_t>(::getpid());
  hello.state = state_;
  hello.generation = proxy_.router.generation();
  say(hello);
  last_stats_.reset();
  reported_.clear();
  report_drained();
}

Result<> Worker::handle(net::Incoming message) {
  if (message.is<wire::Listeners>()) return take_listeners(message);
  if (message.is<wire::Keys>()) return take_keys(message);
  if (message.is<wire::Table>()) return take_table(message);
  if (message.is<wire::GiveListeners>()) {
    say(wire::Listeners{door_.listener_infos()}, door_.listener_fds());
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
  if (auto contexts = TlsContexts::make(keys))
    proxy_.tls = std::move(*contexts);
  else
    ack.error = contexts.error().text;
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
    std::map<std::string, os::Fd, std::less<>> logs;
    for (std::size_t i = 0; i < message.fds.size(); ++i) logs[table.access_logs[i]] = std::move(message.fds[i]);
    proxy_.logs.replace(std::move(logs));
    proxy_.router.swap(table.table);
    std::erase_if(reported_, [this](const auto& id) { return !proxy_.router.targets().contains(id); });
  }
  ack.stats = stats();
  say(ack);
  reported_.clear();
  report_drained();
  proxy_.held.wake_all();
  if (state_ == State::fresh && !proving_) {
    proving_ = true;
    asio::co_spawn(io_, prove_ready(), rethrow);
  }
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
  asio::co_spawn(io_, finish_drain(deadline), rethrow);
}

Task<> Worker::finish_drain(std::chrono::milliseconds deadline) {
  if (door_.open() == 0) {
    finished();
    co_return;
  }
  drain_timer_.expires_after(deadline);
  auto [error] = co_await drain_timer_.async_wait(net::use_result);
  if (error) co_return;  // the last session ended first
  cut_ = door_.busy();
  door_.cut_all();
}

void Worker::finished() {
  drain_timer_.cancel();
  proxy_.logs.flush();
  send_stats();
  wire::WorkerDrained drained;
  drained.cut = cut_;
  say(drained);
  spdlog::info("drained cut={}", cut_);
  io_.stop();
}

// ---- clockwork

Task<> Worker::tick() {
  unsigned ticks = 0;
  for (;;) {
    ticker_.expires_after(Watchdog::kTick);
    auto [error] = co_await ticker_.async_wait(net::use_result);
    if (error) co_return;
    const auto now = Clock::now();
    proxy_.watchdog.tick(now);
    proxy_.logs.flush();
    if (++ticks % 10 != 0) continue;
    proxy_.router.close_idle_since(now - proxy_.limits.pool_idle);
    report_drained();
    if (last_stats_ != stats()) send_stats();
  }
}

wire::Stats Worker::stats() {
  wire::Stats stats;
  stats.connections = door_.open();
  stats.accepted = door_.accepted();
  stats.unrouted = proxy_.unrouted;
  stats.unavailable = proxy_.unavailable;
  for (const auto& [id, target] : proxy_.router.targets()) stats.targets.push_back(target->stats());
  return stats;
}

void Worker::send_stats() {
  if (!link_) return;
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
  if (!target.quiet() || target.gone() || !link_) return;
  if (reported_.insert(target.id).second) say(wire::TargetDrained{target.id});
}

}  // namespace fleet::proxy
