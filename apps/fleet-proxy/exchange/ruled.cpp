#include "exchange/ruled.hpp"

namespace fleet::proxy {
namespace {

route::Values values_of(const route::Place& place, const route::Asked& asked, std::string_view host, std::string_view app) {
  auto values = route::values_of(place, asked);
  values.host = host;
  values.app = app;
  return values;
}

// Which views what it is given.
std::optional<OwnAnswer> answer_of(const route::Decision& decision, const RulesPtr& rules) {
  if (decision.status == 0) return std::nullopt;
  OwnAnswer answer{decision.status, decision.reason, decision.location, decision.retry_after};
  answer.page = decision.page;
  if (decision.challenge) answer.challenge = rules->challenge;
  return answer;
}

}  // namespace

Ruled::Ruled(RulesPtr rules, const route::Place& place, const route::Asked& asked, route::Logins& logins)
    : rules_(std::move(rules)),
      host_(place.host),
      app_(place.app),
      values_(values_of(place, asked, host_, app_)),
      decision_(route::decide(place, asked, logins)) {
  if (rules_ && route::ResponseEdits::needed(*rules_, asked.https)) edits_.emplace(*rules_, values_);
}

std::optional<OwnAnswer> Ruled::answer() const { return answer_of(decision_, rules_); }

std::optional<OwnAnswer> Ruled::admit(const RulesPtr& rules, const route::Asked& asked, route::Logins& logins) {
  if (!rules || rules == rules_) return std::nullopt;
  auto decision = route::admit(*rules, asked, logins);
  if (!decision.user.empty()) decision_.user = std::move(decision.user);
  return answer_of(decision, rules);
}

void Ruled::write_request(http::Writer& out, const http::RequestHead& head, const http::Framing& framing,
                          const http::Client& who) const {
  http::RequestChanges changes{decision_.target, nullptr};
  std::optional<route::RequestEdits> edits;
  if (rules_ && route::RequestEdits::needed(*rules_, stripped())) {
    changes.edits = &edits.emplace(*rules_, values_, stripped());
  }
  http::write_request(out, head, framing, who, changes);
}

void Ruled::shape(http::ResponseRewrite& rewrite) const {
  if (edits_) rewrite.edits = &*edits_;
  if (rules_) rewrite.redirects = rules_->rewrite_redirects.value_or(rewrite.redirects);
  if (stripped()) rewrite.prefix = rules_->prefix;
}

void Ruled::dress(OwnAnswer& answer) const {
  if (!answer.page && rules_) answer.page = rules_->page(answer.status);
  if (edits_) answer.edits = &*edits_;
}

}  // namespace fleet::proxy
