// A request under the rules of its path: what was decided when its head was complete, and what of that is needed until
// its answer is out, whatever tables come meanwhile. Requests without rules have none of this.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "exchange/errors.hpp"
#include "http/forward.hpp"
#include "limits.hpp"
#include "route/decide.hpp"
#include "route/edits.hpp"

namespace fleet::proxy {

using RulesPtr = std::shared_ptr<const route::CompiledRules>;

class Ruled {
 public:
  // `rules` may be null: then the place redirects. `asked`: its client's address must stay as long as this.
  Ruled(RulesPtr rules, const route::Place& place, const route::Asked& asked, route::Logins& logins);
  Ruled(const Ruled&) = delete;
  Ruled& operator=(const Ruled&) = delete;

  // What the client gets without the application being asked; nothing when it is to be.
  std::optional<OwnAnswer> answer() const;
  // The target that a rewrite made; empty: none did.
  std::string_view rewritten() const {
    return decision_.because == route::Because::rewrite ? std::string_view(decision_.target) : std::string_view();
  }
  // Whether those of that target let the request in; `rules` outlive what is returned.
  std::optional<OwnAnswer> admit(const RulesPtr& rules, const route::Asked& asked, route::Logins& logins);
  // The head for the application.
  void write_request(http::Writer& out, const http::RequestHead& head, const http::Framing& framing, const http::Client& who) const;
  void shape(http::ResponseRewrite& rewrite) const;
  // Gives an answer of our own the page and the fields of the rules.
  void dress(OwnAnswer& answer) const;
  std::string_view user() const { return decision_.user; }  // whose password was right; empty: nobody's
  bool intercepts(int status) const { return rules_ && rules_->intercept && rules_->page(status); }

  bool body_too_large(std::uint64_t bytes) const { return rules_ && rules_->max_body != 0 && bytes > rules_->max_body; }
  // Or the worker's own.
  Limits::Ms upstream_idle(bool answer_begun, Limits::Ms own) const {
    return rules_ ? either(answer_begun ? rules_->idle_timeout : rules_->first_byte_timeout, own) : own;
  }
  Limits::Ms tunnel_idle(Limits::Ms own) const { return rules_ ? either(rules_->tunnel_timeout, own) : own; }

 private:
  static Limits::Ms either(Limits::Ms told, Limits::Ms own) { return told.count() != 0 ? told : own; }
  bool stripped() const { return decision_.because == route::Because::strip_path; }

  const RulesPtr rules_;
  const std::string host_, app_;
  const route::Values values_;
  route::Decision decision_;
  std::optional<route::ResponseEdits> edits_;
};

}  // namespace fleet::proxy
