#include "certificates.hpp"

#include <algorithm>

#include "clock.hpp"
#include "os/file_stamp.hpp"
#include "self_signed.hpp"

namespace fleet {
namespace {

using Kind = Certificates::Notice::Kind;

constexpr std::int64_t kDay = 24 * 3600;

std::string stamp_of(const TlsConfig& files) {
  return os::file_stamp(files.certificate) + "/ " + os::file_stamp(files.key);
}

std::string expiry_text(const std::string& file, const tls::Facts& facts, std::int64_t now) {
  const auto left = facts.until - now;
  if (left <= 0) return file + ": has expired, on " + tls::day(facts.until) + " (renew it: clients refuse it)";
  const auto days = left / kDay;
  return file + ": expires on " + tls::day(facts.until) + ", in " +
         (days == 0 ? "less than a day" : std::to_string(days) + (days == 1 ? " day" : " days")) + " (renew it)";
}

}  // namespace

void Certificates::remember(const std::vector<wire::Certificate>& held) {
  held_.insert(held_.end(), held.begin(), held.end());
}

Certificates::Outcome Certificates::configure(const std::vector<TlsConfig>& configured, bool https, std::int64_t now) {
  Outcome outcome;
  const auto before = in_force();
  auto former = std::exchange(entries_, {});
  const auto roots = tls::Roots::system();
  for (const auto& files : configured) {
    auto& entry = entries_.emplace_back();
    const auto same = std::ranges::find(former, files.certificate, [](const Entry& e) { return e.files.certificate; });
    if (same != former.end()) entry = *same;
    const bool read_before = entry.good && entry.problem.empty() && entry.files == files && entry.stamp == stamp_of(files);
    if (read_before) continue;
    entry.files = files;
    const auto held = std::ranges::find(held_, files.certificate, &wire::Certificate::file);
    if (!entry.good && held != held_.end()) {
      if (auto facts = tls::facts_of(held->certificate_pem)) entry.good = Good{*held, std::move(*facts), {}};
    }
    read(entry, roots, now, outcome);
  }
  held_.clear();
  https_ = https;
  fall_back(now, outcome);
  look_at_dates(now, outcome);
  outcome.changed = in_force() != before;
  return outcome;
}

Certificates::Outcome Certificates::refresh(std::int64_t now) {
  Outcome outcome;
  std::optional<tls::Roots> roots;
  for (auto& entry : entries_) {
    // What was refused may have become good without a change: by its date, or by a root that is new here.
    if (entry.problem.empty() && stamp_of(entry.files) == entry.stamp) continue;
    if (!roots) roots = tls::Roots::system();
    read(entry, *roots, now, outcome);
  }
  if (outcome.changed) fall_back(now, outcome);
  look_at_dates(now, outcome);
  return outcome;
}

void Certificates::read(Entry& entry, const tls::Roots& roots, std::int64_t now, Outcome& outcome) {
  entry.stamp = stamp_of(entry.files);
  auto loaded = tls::load(entry.files, roots, now, tls::UnreadableKey::error);
  const auto& file = entry.files.certificate;
  if (!loaded) {
    if (entry.problem == loaded.error().text) return;
    entry.problem = loaded.error().text;
    const std::string meanwhile = entry.good ? "; the version before it stays in use, until " + tls::day(entry.good->facts.until)
                                             : "; it is not served, all other certificates are";
    outcome.notices.push_back({Kind::refused, file, entry.problem + meanwhile});
    return;
  }
  Good good{{loaded->pair.certificate_pem, loaded->pair.key_pem, file}, std::move(loaded->inspected.facts),
            std::move(loaded->inspected.warnings)};
  const bool again = !entry.problem.empty(), differs = !entry.good || entry.good->pair != good.pair;
  if ((entry.good && differs) || again) {
    outcome.notices.push_back({Kind::renewed, file, file + ": in use, until " + tls::day(good.facts.until)});
  }
  for (const auto& warning : good.warnings) {
    const bool known = entry.good && std::ranges::find(entry.good->warnings, warning) != entry.good->warnings.end();
    if (!known) outcome.notices.push_back({Kind::warning, file, warning});
  }
  if (differs) entry.alarm = 0, outcome.changed = true;
  entry.problem.clear();
  entry.good = std::move(good);
}

void Certificates::look_at_dates(std::int64_t now, Outcome& outcome) {
  for (auto& entry : entries_) {
    if (!entry.good) continue;
    const auto alarm = tls::expiry_alarm(entry.good->facts, now);
    if (alarm > entry.alarm) {
      outcome.notices.push_back({Kind::expires, entry.files.certificate, expiry_text(entry.files.certificate, entry.good->facts, now)});
    }
    entry.alarm = alarm;
  }
}

void Certificates::fall_back(std::int64_t now, Outcome& outcome) {
  const bool none = std::ranges::none_of(entries_, [](const Entry& entry) { return entry.good.has_value(); });
  if (!none || !https_) return own_.reset();
  auto own = self_signed(own_dir_, now);
  const auto file = own_dir_ + "/localhost.pem";
  if (!own) return outcome.notices.push_back({Kind::refused, file, own.error().text + "; https is not served"});
  if (own_) return;
  const std::string why = entries_.empty() ? "no [[tls]] is configured" : "no certificate of [[tls]] will do";
  outcome.notices.push_back({Kind::warning, file, why + ": https is served with a self-signed certificate for localhost file=" + file});
  own_ = wire::Certificate{std::move(own->pair.certificate_pem), std::move(own->pair.key_pem), file};
}

Certificates::Outcome Certificates::refused_by_workers(const std::vector<wire::RefusedCertificate>& refused) {
  Outcome outcome;
  for (const auto& one : refused) {
    const auto entry = std::ranges::find(entries_, one.file, [](const Entry& e) { return e.files.certificate; });
    const auto text = one.file + ": refused by a worker: " + one.error;
    if (entry == entries_.end() || entry->problem == text) continue;
    entry->problem = text;
    outcome.notices.push_back({Kind::refused, one.file, text});
  }
  return outcome;
}

std::vector<wire::Certificate> Certificates::in_force() const {
  std::vector<wire::Certificate> all;
  for (const auto& entry : entries_) {
    if (entry.good) all.push_back(entry.good->pair);
  }
  if (all.empty() && own_) all.push_back(*own_);
  return all;
}

std::vector<api::CertificateView> Certificates::view(std::int64_t now) const {
  std::vector<api::CertificateView> views;
  for (const auto& entry : entries_) {
    auto& view = views.emplace_back();
    view.file = entry.files.certificate;
    view.problem = entry.problem;
    if (!entry.good) {
      view.state = api::CertificateState::refused;
      continue;
    }
    const auto& facts = entry.good->facts;
    const auto alarm = tls::expiry_alarm(facts, now);
    view.state = !entry.problem.empty() ? api::CertificateState::former
                 : alarm == 3           ? api::CertificateState::expired
                 : alarm > 0            ? api::CertificateState::expiring
                                        : api::CertificateState::served;
    view.names = facts.names;
    view.key = facts.key;
    view.issuer = facts.issuer;
    view.expires_at = wall_time(std::chrono::system_clock::time_point(std::chrono::seconds(facts.until)));
    view.warnings = entry.good->warnings;
  }
  return views;
}

std::vector<std::string> Certificates::files() const {
  std::vector<std::string> all;
  for (const auto& entry : entries_) {
    all.push_back(entry.files.certificate);
    all.push_back(entry.files.key);
  }
  return all;
}

}  // namespace fleet
