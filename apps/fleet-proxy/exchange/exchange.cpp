#include "exchange/exchange.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "http/chars.hpp"

namespace fleet::proxy {
namespace {

using std::chrono::microseconds;

constexpr std::uint16_t kHttpsPort = 443;  // of a balancer in front, whose listeners we do not know
constexpr unsigned kRoundsBetweenTurns = 32;  // of relaying, before other sessions get a turn

std::uint32_t ready_targets(const CompiledRoute& route) {
  std::uint32_t count = 0;
  for (const auto& target : route.targets) count += target->takes_requests() ? 1 : 0;
  return count;
}

}  // namespace

Exchange::Exchange(Proxy& proxy, ClientSide& client, const http::RequestHead& head, const http::Framing& framing)
    : proxy_(proxy),
      client_(client),
      head_(head),
      method_text_(head.method_text),
      target_(head.target),
      authority_(head.authority),
      method_(head.method),
      framing_(framing),
      asks_upgrade_(!head.upgrade.empty() && framing.kind == http::BodyKind::none),
      told_(proxy.edge.told(head.fields, {client.peer.address, client.peer.ip, client.peer.https})),
      told_address_(told_ ? told_->address() : std::string_view()),
      client_ip_(told_ ? told_->ip() : client.peer.ip),
      client_https_(told_ ? told_->https() : client.peer.https),
      awaiting_continue_(head.expects_continue && framing.kind != http::BodyKind::none),
      began_(Clock::now()),
      now_(began_),
      client_active_(began_),
      upstream_active_(began_) {
  ++proxy_.active;
  ++client_.peer.exchanges;
  if (framing.kind == http::BodyKind::none || (framing.kind == http::BodyKind::length && framing.length == 0)) {
    upload_ = Upload::done;
  }
}

Exchange::~Exchange() {
  --proxy_.active;
  count_as_retry(false);
  --client_.peer.exchanges;
  // Its end makes room for one that waits.
  if (route_ && route_->hold->size() > 0) proxy_.loop.at_end_of_round(proxy_.release);
}

Task<Exchange::Outcome> Exchange::run() {
  if (const auto own = proxy_.edge.answer(head_, proxy_.router, !proxy_.draining || proxy_.replaced)) {
    co_return co_await answer_own(*own, true);
  }
  auto match = proxy_.router.match(authority_, target_);
  if (!match) {
    ++proxy_.unrouted;
    const auto answer = own_answer(match.error());
    co_return co_await answer_own(answer, false);
  }
  table_ = match->table;
  route_ = match->route;
  if (!route_) {
    ++proxy_.unrouted;
    const auto answer = own::no_route();
    co_return co_await answer_own(answer, true);
  }
  if (route_->log) note_agent();
  if (const auto ours = apply_rules(*match)) {
    ++proxy_.unrouted;
    co_return co_await answer_own(*ours, true);
  }
  if (route_->hold->answers(target_, now_) && (method_ == http::Method::get || method_ == http::Method::head)) {
    ++proxy_.unrouted;
    OwnAnswer answer;
    answer.status = 200;
    co_return co_await answer_own(answer, true);
  }
  if (route_->hash_by) {
    hash_key_ = hash_key(*route_->hash_by, head_.fields, told_address_.empty() ? client_.peer.address : told_address_);
  }
  if (!write_head()) {
    const auto answer = own_answer(http::Fault::head_too_large);
    co_return co_await answer_own(answer, false);
  }
  for (;;) {
    if (!co_await claim_target()) {
      if (client_.gone()) {
        error_ = "client-gone";
        log();
        co_return Outcome::broken;
      }
      ++proxy_.unavailable;
      const auto answer = retries_ == 0 ? own::no_target() : own::connect_failed();
      co_return co_await answer_own(answer, false);
    }
    const auto standing = co_await attempt();
    if (upstream_) attempt_sent_ += upstream_->stream.socket().sent_untold();  // R1
    if (standing == Standing::complete) {
      ++claim_->target().requests;
      recycle_upstream();
      log();
      co_return upload_ == Upload::done ? Outcome::complete : Outcome::unread;
    }
    if (standing == Standing::tunnel_idle || standing == Standing::tunnel_closed) {
      error_ = standing == Standing::tunnel_idle ? "tunnel-idle" : "tunnel-closed";
      upstream_.reset();
      co_await flush(proxy_, client_);
      log();
      co_return Outcome::unread;
    }
    const bool stale = upstream_ && upstream_->reused();
    if (standing == Standing::attempt_failed) note_failure(stale);
    upstream_.reset();
    if (standing == Standing::attempt_failed && !is_asset_) claim_->target().figures->upstream_failed(name(*attempt_end_));
    if (stale) fresh_only_ = true;  // the others of the pool may have ended with it
    if (stale && attempt_sent_ == 0 && attempts_ > 0) --attempts_;  // R1 counts connections that were asked for
    auto next = standing == Standing::attempt_failed ? next_try() : Retry::no;
    if (next == Retry::later) next = co_await wait_for_budget();
    refused_ = next == Retry::no && standing == Standing::attempt_failed && undelivered() &&
               Clock::now() < route_->hold->patience(began_);
    if (next == Retry::no && !refused_) co_return co_await give_up(standing);
    ++claim_->target().retried;
    ++retries_;
    count_as_retry(true);
    tried_.push_back(claim_->target().shared_from_this());
    claim_.reset();
    const bool nobody_else = std::ranges::all_of(route_->targets, [this](const auto& target) {
      return !target->takes_requests() || std::ranges::find(tried_, target) != tried_.end();
    });
    if (next == Retry::replay) {
      ++replays_;
      fresh_only_ = true;
      if (nobody_else) co_await pause(proxy_.limits.replay_pause);
    }
    if (refused_) {
      // One has crashed, and the next table, a moment or another target will help.
      if (nobody_else) route_->hold->refused(Clock::now() + proxy_.limits.hold_retry);
      attempts_ = 0, tried_.clear();
    }
    reset_attempt();
  }
}

// R1: no byte of the request left.
bool Exchange::undelivered() const {
  return *attempt_end_ == AttemptEnd::connect_failed ||
         (*attempt_end_ == AttemptEnd::closed && attempt_sent_ == 0 && !answer_begun_);
}

// Not where a connection ended that had waited for the next request: any server closes such a one.
void Exchange::note_failure(bool was_reused) {
  const auto end = *attempt_end_;
  if (is_asset_ || passed_on_ || end == AttemptEnd::target_gone || (was_reused && end == AttemptEnd::closed)) return;
  note_outcome(true);
}

void Exchange::note_outcome(bool failed) {
  proxy_.router.note_outcome(*route_, claim_->target(), failed, proxy_.limits.ejection, Clock::now());
}

// A process that dies takes connections to its end: the kernel closes its listener last. A replay, of which there is
// only one, would be lost there as well; a moment later it is refused, or its target is no longer in the table.
Task<void> Exchange::pause(Clock::duration how_long) {
  const auto until = Clock::now() + how_long;
  client_.deadline.set(until);
  while (Clock::now() < until && !client_.peer.cut) {
    receive();
    if (client_.gone()) break;
    client_.arm(false);
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
  }
  client_.deadline.clear();
}

// R9: of those that a crash has left without an answer some are sent again at once, the others after them.
Task<Retry> Exchange::wait_for_budget() {
  auto next = Retry::later;
  while (next == Retry::later && Clock::now() < route_->hold->patience(began_) && !client_.peer.cut) {
    co_await pause(proxy_.limits.replay_pause);
    next = next_try();
  }
  co_return next == Retry::later ? Retry::no : next;
}

// R9: one that waits is no load.
void Exchange::count_as_retry(bool counts) {
  if (counts != counts_as_retry_) proxy_.retrying += counts ? 1 : -1u;
  counts_as_retry_ = counts;
}

void Exchange::note_agent() {
  for (const auto& field : head_.fields) {
    if (field.id != http::FieldId::other) continue;
    if (http::iequals(field.name, "user-agent")) user_agent_ = field.value;
    if (http::iequals(field.name, "referer")) referer_ = field.value;
  }
}

std::optional<OwnAnswer> Exchange::apply_rules(Router::Match& match) {
  if (!match.rules && (client_https_ || route_->https_redirect == HttpsRedirect::off)) return std::nullopt;
  const route::Place place{route_->app, route_->https_redirect, match.rules.get(), match.host, match.path};
  route::Asked asked{head_, framing_, client_ip_, {}, client_https_, told_ ? kHttpsPort : proxy_.https_port, now_};
  asked.address_text = told_address_.empty() ? std::string_view(client_.peer.address) : told_address_;
  ruled_ = std::make_unique<Ruled>(std::move(match.rules), place, asked, proxy_.logins);
  auto answer = ruled_->answer();
  if (answer || ruled_->rewritten().empty()) return answer;
  const auto led_to = proxy_.router.match(authority_, ruled_->rewritten());
  if (led_to && led_to->route == route_) answer = ruled_->admit(led_to->rules, asked, proxy_.logins);
  return answer;
}

bool Exchange::write_head() {
  const http::Client who{client_.peer.address, client_.peer.https, told_, proxy_.edge.node()};
  return up_out_.write([&](http::Writer& out) {
    if (ruled_) ruled_->write_request(out, head_, framing_, who);
    else http::write_request(out, head_, framing_, who);
  });
}

// Holds the request, if need be, until the table in force has a target for it (D2).
Task<bool> Exchange::claim_target() {
  for (auto standing = Hold::Standing::look_again;;) {
    if (client_.peer.cut || client_.gone()) co_return false;
    const auto match = proxy_.router.match(authority_, target_);
    if (!match || !match->route) co_return false;
    table_ = match->table;
    route_ = match->route;
    now_ = Clock::now();
    auto& hold = *route_->hold;
    if (standing == Hold::Standing::let_go || (!refused_ && !hold.blocks(now_))) {
      if (auto target = proxy_.router.choose(*route_, tried_, now_, hash_key_)) {
        claim_.emplace(std::move(target), static_cast<ClaimHolder&>(*this));
        if (held_) ++claim_->target().held, held_ = false;
        ++attempts_;
        co_return true;
      }
    }
    const auto until = hold.patience(began_);
    const bool may_wait = held_ || refused_ ? !hold.is_hopeless() : hold.admits();
    if (!may_wait || now_ >= until) co_return false;
    held_ = true;
    refused_ = false;
    count_as_retry(false);
    standing = co_await wait_for_target(until);
  }
}

// Until its turn, something to look at, or `until`.
Task<Hold::Standing> Exchange::wait_for_target(Clock::time_point until) {
  const auto from = Clock::now();
  Hold::Place place(*route_->hold, client_.wakeup, began_);
  client_.deadline.set(until);
  while (place.standing() == Hold::Standing::waits && !client_.peer.cut && Clock::now() < until) {
    receive();
    if (client_.gone()) break;
    client_.arm(false);
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
  }
  client_.deadline.clear();
  waited_ += Clock::now() - from;
  co_return place.standing();
}

Task<bool> Exchange::connect() {
  auto& target = claim_->target();
  const int family = target.address()->sa_family;
  os::Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) co_return false;
  const auto until = now_ + proxy_.limits.connect;
  const int on = 1;
  if (family != AF_UNIX) {
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // On this machine nothing is congested, and what paces by timers costs more than it can win. Refused where unknown.
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  }
  int result = ::connect(fd.get(), target.address(), target.address_size());
  // A unix socket whose queue is full tells nobody when it is not any more.
  while (result != 0 && errno == EAGAIN) {
    client_.deadline.set(Clock::now() + Watchdog::kTick);
    if (Clock::now() >= until || client_.peer.cut) co_return false;
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
    result = ::connect(fd.get(), target.address(), target.address_size());
  }
  if (result != 0 && errno != EINPROGRESS) co_return false;
  upstream_ = std::make_unique<Upstream>(SocketPtr(new Socket(proxy_.loop, std::move(fd))), target);
  auto& socket = upstream_->stream.socket();
  socket.set_listener(&client_.wakeup);
  if (result == 0) co_return true;
  socket.writable = false;
  client_.deadline.set(until);
  while (!socket.writable) {
    if (Clock::now() >= until || client_.peer.cut) co_return false;
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  co_return error == 0;
}

Task<Exchange::Standing> Exchange::attempt() {
  auto& target = claim_->target();
  const auto oldest = http::is_idempotent(method_) ? proxy_.limits.pool_idle : proxy_.limits.fresh_enough;
  if (!fresh_only_) upstream_ = target.take_idle(now_, oldest, !http::is_idempotent(method_));
  if (upstream_) {
    upstream_->stream.socket().set_listener(&client_.wakeup);
  } else if (!co_await connect()) {
    upstream_.reset();
    target.refused(Clock::now(), proxy_.limits.ejection);
    fail_attempt(AttemptEnd::connect_failed);
    co_return client_.peer.cut ? Standing::cut : Standing::attempt_failed;
  } else {
    target.connected();
  }
  now_ = upstream_active_ = client_active_ = Clock::now();
  for (unsigned rounds = 0;;) {
    const bool moved = step();
    if (const auto stands = standing(); stands != Standing::going_on) co_return stands;
    if (moved) {
      if (++rounds % kRoundsBetweenTurns == 0) co_await proxy_.loop.yield();
      continue;
    }
    if (client_too_slow()) co_return Standing::client_silent;
    client_.arm(answer_blocked());
    set_deadline();
    if (!client_.wakeup.take_pending()) co_await client_.wakeup.sleep();
    rounds = 0;
    now_ = Clock::now();
    if (const auto late = on_time(now_); late != Standing::going_on) co_return late;
  }
}

Exchange::Standing Exchange::standing() {
  if (frames_ && (client_.peer.cut || target_gone_) && !client_.gone() && !attempt_end_) return close_websocket();
  if (client_.peer.cut) return Standing::cut;
  if (client_.gone()) return Standing::client_gone;
  if (client_fault_) return Standing::client_faulty;
  if (answer_ == Answer::complete) {
    return client_.flushed() && upload_ != Upload::running && !(tunnel_ && upload_blocked()) ? Standing::complete
                                                                                             : Standing::going_on;
  }
  return attempt_end_ ? Standing::attempt_failed : Standing::going_on;
}

Retry Exchange::next_try() const {
  RetryFacts facts;
  facts.end = *attempt_end_;
  facts.client_gone = client_.gone();
  facts.answer_begun = answer_begun_;
  facts.idempotent = http::is_idempotent(method_);
  facts.body_untouched = awaiting_continue_ && upload_taken_ == 0;
  facts.request_kept = request_kept_;
  facts.bytes_sent = attempt_sent_;
  facts.attempts = attempts_;
  facts.replays = replays_;
  // By the table in force: the request may have been claimed by one whose targets all drain now.
  const auto match = proxy_.router.match(authority_, target_);
  facts.targets = std::max(1u, match && match->route ? ready_targets(*match->route) : 0u);
  facts.budget_left = proxy_.retrying < std::max(3u, (proxy_.active - proxy_.router.holds.size()) / 5);
  return decide_retry(facts);
}

void Exchange::reset_attempt() {
  up_sent_ = 0;
  attempt_sent_ = 0;
  up_in_.clear();
  scanner_.reset();
  attempt_end_.reset();
  target_gone_ = upstream_ended_ = upstream_deaf_ = false;
  if (upload_ == Upload::abandoned) upload_ = Upload::running;
}

// No answer came, or not all of it.
Task<Exchange::Outcome> Exchange::give_up(Standing standing) {
  auto& target = claim_->target();
  OwnAnswer answer;
  switch (standing) {
    case Standing::going_on:
    case Standing::complete:
    case Standing::tunnel_idle:
    case Standing::tunnel_closed:
    case Standing::client_gone:
      ++target.client_aborted;
      error_ = "client-gone";
      log();
      co_return Outcome::broken;
    case Standing::client_silent:
      ++target.client_aborted;
      answer = too_slow_ ? own::client_too_slow() : own::request_timeout();
      break;
    case Standing::client_faulty:
      ++target.client_aborted;
      answer = own_answer(*client_fault_);
      break;
    case Standing::cut:
      ++target.failed;
      error_ = "worker-drained";
      log();
      co_return Outcome::broken;
    case Standing::attempt_failed:
      ++target.failed;
      switch (*attempt_end_) {
        case AttemptEnd::connect_failed: answer = own::connect_failed(); break;
        case AttemptEnd::closed: answer = own::upstream_closed(); break;
        case AttemptEnd::timed_out: answer = own::upstream_timeout(); break;
        case AttemptEnd::bad_answer: answer = own::bad_upstream_answer(); break;
        case AttemptEnd::target_gone: answer = own::target_gone(); break;
      }
      break;
  }
  if (!passed_on_) co_return co_await answer_own(answer, false);
  error_ = answer.reason;
  if (standing != Standing::client_silent) co_await flush(proxy_, client_);
  log();
  co_return Outcome::broken;
}

Task<Exchange::Outcome> Exchange::answer_own(const OwnAnswer& answer, bool may_keep) {
  status_ = answer.status;
  error_ = answer.reason;
  const bool whole = may_keep && upload_ == Upload::done;
  if (ruled_) {
    auto dressed = answer;
    ruled_->dress(dressed);
    bytes_out_ += client_.answer(dressed, whole);
  } else {
    bytes_out_ += client_.answer(answer, whole);
  }
  const bool sent = co_await flush(proxy_, client_);
  log();
  co_return !sent ? Outcome::broken : whole ? Outcome::complete : Outcome::unread;
}

void Exchange::recycle_upstream() {
  const bool clean =
      upstream_keeps_ && upload_ == Upload::done && !upstream_ended_ && up_in_.empty() && up_sent_ == up_out_.size();
  if (!clean) return upstream_.reset();
  ++upstream_->exchanges;
  claim_->target().give_back(std::move(upstream_), now_);
}

// From Router::swap: the session wakes at the watchdog's next look, not inside the swap.
void Exchange::target_gone() {
  target_gone_ = true;
  client_.deadline.set(Clock::now());
}

// The request is over: it is counted, and logged.
void Exchange::log() {
  using std::chrono::duration_cast;
  RequestFacts facts;
  facts.status = status_;
  facts.own_error = error_;
  if (first_byte_) facts.first_byte = duration_cast<microseconds>(*first_byte_ - began_);
  facts.total = duration_cast<microseconds>(Clock::now() - began_);
  facts.was_held = waited_.count() > 0;
  facts.held = duration_cast<microseconds>(waited_);
  facts.bytes_in = bytes_in_;
  facts.bytes_out = bytes_out_;
  facts.retries = retries_;
  auto& figures = claim_ ? claim_->target().figures : route_ ? route_->figures : proxy_.unrouted_figures;
  figures->add(facts);
  if (!route_ || !route_->log) return;

  AccessEntry entry;
  entry.app = route_->app;
  if (claim_) {
    entry.target = claim_->target().id;
    entry.upstream = claim_->target().address_text;
    entry.release = claim_->target().release;
    if (is_asset_) entry.target = entry.upstream = "assets";
  }
  entry.client = told_address_.empty() ? client_.peer.address : told_address_;
  if (ruled_) entry.user = ruled_->user();
  entry.method = method_text_;
  entry.host = authority_;
  entry.path = target_;
  entry.protocol = client_.protocol();
  entry.referer = referer_;
  entry.user_agent = user_agent_;
  entry.status = facts.status;
  entry.bytes_in = facts.bytes_in;
  entry.bytes_out = facts.bytes_out;
  entry.retries = facts.retries;
  entry.error = facts.own_error;
  entry.tls = client_.peer.stream->tls_version();
  entry.first_byte = facts.first_byte;
  entry.total = facts.total;
  entry.held = facts.held;
  proxy_.logs.add(*route_->log, entry);
}

}  // namespace fleet::proxy
