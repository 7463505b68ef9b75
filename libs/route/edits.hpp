// The fields of one request or answer as its rules want them. Values are views: what they view outlives the edits.
#pragma once

#include <string>

#include "http/edits.hpp"
#include "route/rules.hpp"
#include "route/template.hpp"

namespace fleet::route {

class RequestEdits final : public http::FieldEdits {
 public:
  RequestEdits(const CompiledRules& rules, const Values& values, bool stripped);
  // Whether there is anything to edit; asked before one is made.
  static bool needed(const CompiledRules& rules, bool stripped) { return stripped || !rules.request.empty(); }

  bool take(const http::Field& field, http::FieldSink& out) const override;
  void add(http::FieldSink& out) const override;
  std::string_view host() const override { return host_; }

 private:
  const CompiledRules& rules_;
  const Values& values_;
  const bool stripped_;
  std::string host_;
};

class ResponseEdits final : public http::FieldEdits {
 public:
  ResponseEdits(const CompiledRules& rules, const Values& values) : rules_(rules), values_(values) {}
  static bool needed(const CompiledRules& rules, bool https) {
    const auto& cookies = rules.cookies;
    return !rules.response.empty() || !cookies.domain.empty() || !cookies.path.empty() ||
           (https && (cookies.secure || !rules.hsts.empty()));
  }

  bool take(const http::Field& field, http::FieldSink& out) const override;
  void add(http::FieldSink& out) const override;

 private:
  const CompiledRules& rules_;
  const Values& values_;
};

// A Set-Cookie value with Domain and Path replaced and Secure added as the rules say (P10).
std::string mapped_cookie(std::string_view cookie, const CookieRules& rules, bool https);

}  // namespace fleet::route
