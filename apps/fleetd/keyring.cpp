#include "keyring.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace fleet {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kCheck = 60s;       // files that are not seen to change, dates, ages
constexpr auto kRetry = 5s;        // after a worker did not answer
constexpr auto kQuiet = 500ms;     // a certificate and its key are rarely written at once
constexpr auto kPatience = 5s;     // but where it never gets quiet, not longer than this

api::EventType type_of(Certificates::Notice::Kind kind) {
  switch (kind) {
    case Certificates::Notice::Kind::refused: return api::EventType::certificate_refused;
    case Certificates::Notice::Kind::renewed: return api::EventType::certificate_renewed;
    case Certificates::Notice::Kind::expires:
    case Certificates::Notice::Kind::warning: break;
  }
  return api::EventType::certificate_expires;
}

}  // namespace

std::int64_t Keyring::wall_clock() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Keyring::Keyring(net::asio::io_context& io, std::string own_dir, Publish publish, Report report, Now now)
    : timer_(io),
      publish_(std::move(publish)),
      report_(std::move(report)),
      now_(std::move(now)),
      certificates_(std::move(own_dir)),
      watch_(io, [this] {
        last_change_ = Clock::now();
        if (!first_change_) first_change_ = last_change_;
        timer_.cancel();
      }) {}

wire::Keys Keyring::begin(const Config& config, const std::vector<wire::Keys>& held) {
  std::vector<tls::TicketKeys> tickets;
  for (const auto& of_worker : held) {
    certificates_.remember(of_worker.certificates);
    if (!of_worker.ticket_keys.empty()) tickets.push_back({of_worker.ticket_keys, of_worker.ticket_keys_since});
  }
  tickets_ = tls::merged(tickets);
  if (tickets_.keys.empty()) tickets_ = tls::promoted(tls::announced({}, tls::new_ticket_key()), now_());
  tell(certificates_.configure(config.tls, !config.proxy.https.empty(), now_()));
  return keys();
}

net::Task<> Keyring::configure(Config config) {
  const auto outcome = certificates_.configure(config.tls, !config.proxy.https.empty(), now_());
  watch_.watch(certificates_.files());
  tell(outcome);
  if (outcome.changed || behind_) (void)co_await publish();
}

net::Task<> Keyring::keep_current() {
  if (!watch_.watch(certificates_.files())) {
    spdlog::warn("not all folders of certificates can be watched: changes are seen within {} s", kCheck.count());
  }
  auto check = Clock::now() + kCheck;
  for (;;) {
    const auto due = last_change_ ? std::min(*last_change_ + kQuiet, *first_change_ + kPatience) : check;
    if (Clock::now() < due) {
      timer_.expires_at(due);
      (void)co_await timer_.async_wait(net::use_result);
      continue;
    }
    first_change_.reset(), last_change_.reset();
    co_await refresh();
    if (tls::rotation_due(tickets_, now_())) co_await rotate();
    check = Clock::now() + (behind_ ? kRetry : kCheck);
  }
}

net::Task<> Keyring::refresh() {
  watch_.watch(certificates_.files());  // first: what changes from here on is seen
  const auto outcome = certificates_.refresh(now_());
  tell(outcome);
  if (outcome.changed || behind_) (void)co_await publish();
}

net::Task<bool> Keyring::publish() {
  behind_ = false;
  wire::Keys all = keys();
  const auto refused = co_await publish_(std::move(all));
  if (refused) {
    tell(certificates_.refused_by_workers(*refused));
  } else {
    behind_ = true;
    spdlog::error("not all workers have taken the certificates, it is tried again: {}", refused.error().text);
  }
  co_return refused.has_value();
}

net::Task<> Keyring::rotate() {
  const auto key = tls::new_ticket_key();
  tickets_ = tls::announced(std::move(tickets_), key);
  if (!co_await publish()) {
    std::erase(tickets_.keys, key);
    co_return;
  }
  tickets_ = tls::promoted(std::move(tickets_), now_());
  (void)co_await publish();
}

wire::Keys Keyring::keys() const {
  wire::Keys keys;
  keys.certificates = certificates_.in_force();
  keys.ticket_keys = tickets_.keys;
  keys.ticket_keys_since = tickets_.since;
  return keys;
}

void Keyring::tell(const Certificates::Outcome& outcome) {
  using Kind = Certificates::Notice::Kind;
  for (const auto& notice : outcome.notices) {
    const auto level = notice.kind == Kind::refused   ? spdlog::level::err
                       : notice.kind == Kind::renewed ? spdlog::level::info
                                                      : spdlog::level::warn;
    spdlog::log(level, "certificate {}", notice.text);
    if (notice.kind == Kind::warning) continue;
    api::EventView event;
    event.type = type_of(notice.kind);
    event.message = notice.text;
    event.data.certificate = notice.file;
    report_(std::move(event));
  }
}

}  // namespace fleet
