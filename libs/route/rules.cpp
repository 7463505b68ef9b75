#include "route/rules.hpp"

#include <algorithm>
#include <array>

#include "http/chars.hpp"
#include "http/fields.hpp"

namespace fleet::route {
namespace {

auto wrong(std::string why) { return fail(ErrorKind::usage, std::move(why)); }

using http::FieldId;

constexpr std::array kOfConnection{FieldId::connection, FieldId::content_length,   FieldId::transfer_encoding,
                                   FieldId::keep_alive, FieldId::proxy_connection, FieldId::te,
                                   FieldId::trailer,    FieldId::upgrade,          FieldId::expect,
                                   FieldId::http2_settings};
constexpr std::array kOurs{FieldId::forwarded, FieldId::x_forwarded, FieldId::x_real_ip,
                           FieldId::x_fleet,   FieldId::proxy,       FieldId::cdn_loop};

Result<CompiledEdits> compile_edits(const HeaderEdits& edits, bool of_request) {
  CompiledEdits made;
  made.taken = edits.remove;
  const auto own = [&](const std::string& name, const std::string& text) -> Result<> {
    auto value = Template::parse(text, Template::Use::field, -1);
    if (!value) return wrong(name + ": " + value.error().text);
    if (of_request && http::field_id(name) == http::FieldId::host) {
      made.host = std::move(*value);
      made.sets_host = true;
    } else {
      made.own.push_back({name, std::move(*value)});
    }
    return {};
  };
  for (const auto& [name, value] : edits.set) {
    made.taken.push_back(name);
    TRYV(own(name, value));
  }
  for (const auto& [name, value] : edits.add) TRYV(own(name, value));
  for (const auto& name : made.taken) {
    if (const auto why = refused_field(name, of_request); !why.empty()) return wrong(name + ": " + why);
  }
  for (const auto& [name, value] : edits.add) {
    if (const auto why = refused_field(name, of_request); !why.empty()) return wrong(name + ": " + why);
  }
  return made;
}

std::string hsts_of(const Hsts& hsts) {
  if (hsts.max_age.count() == 0) return {};
  auto text = "max-age=" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(hsts.max_age).count());
  if (hsts.include_subdomains) text += "; includeSubDomains";
  if (hsts.preload) text += "; preload";
  return text;
}

}  // namespace

Result<Files::Page> Files::page(const std::string& name) {
  auto& page = pages_[name];
  if (page) return page;
  const auto found = contents_.find(name);
  if (found == contents_.end()) return wrong(name + ": did not come with the rules");
  return page = std::make_shared<const std::string>(found->second);
}

Result<std::shared_ptr<const Users>> Files::users(const std::string& name) {
  auto& users = users_[name];
  if (users) return users;
  const auto found = contents_.find(name);
  if (found == contents_.end()) return wrong(name + ": did not come with the rules");
  auto parsed = Users::parse(found->second);
  if (!parsed) return wrong(name + ": " + parsed.error().text);
  return users = std::make_shared<const Users>(std::move(*parsed));
}

std::string refused_field(std::string_view name, bool of_request) {
  if (name.empty() || !http::all_are(name, http::chars::token)) return "not a field's name";
  if (name.find('_') != std::string_view::npos) return "names with underscores are dropped (S18)";
  const auto id = http::field_id(name);
  if (id == http::FieldId::host && !of_request) return "is no field of an answer";
  if (std::ranges::find(kOfConnection, id) != kOfConnection.end()) return "belongs to one connection, which fleet keeps";
  if (std::ranges::find(kOurs, id) != kOurs.end()) return "is set or dropped by fleet itself";
  return {};
}

const std::string* CompiledRules::page(int status) const {
  if (pages.empty()) return nullptr;
  auto found = pages.find(status);
  if (found == pages.end()) found = pages.find(status / 100);
  return found == pages.end() ? nullptr : found->second.get();
}

Result<std::shared_ptr<const CompiledRules>> compile(const Rules& rules, Files& files) {
  auto made = std::make_shared<CompiledRules>();
  made->prefix = rules.path;
  while (made->prefix.ends_with('/')) made->prefix.pop_back();
  made->strip_path = rules.strip_path && !made->prefix.empty();
  made->canonical_host = rules.canonical_host;
  for (const auto& rewrite : rules.rewrites) {
    TRY(auto match, Pattern::compile(rewrite.match));
    if (rewrite.status >= 400) {
      made->rewrites.push_back({std::move(match), {}, static_cast<int>(rewrite.status)});
      continue;
    }
    const auto use = rewrite.status == 0 ? Template::Use::path : Template::Use::location;
    TRY(auto to, Template::parse(rewrite.to, use, match.groups()));
    made->rewrites.push_back({std::move(match), std::move(to), static_cast<int>(rewrite.status)});
  }
  TRY(made->request, compile_edits(rules.request_headers, true));
  TRY(made->response, compile_edits(rules.response_headers, false));
  made->max_body = rules.max_body;
  made->first_byte_timeout = rules.first_byte_timeout;
  made->idle_timeout = rules.idle_timeout;
  made->tunnel_timeout = rules.tunnel_timeout;
  made->maintenance.enabled = rules.maintenance.enabled;
  if (made->maintenance.enabled) {
    if (!rules.maintenance.page.empty()) {
      TRY(made->maintenance.page, files.page(rules.maintenance.page));
    }
    made->maintenance.retry_after =
        static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(rules.maintenance.retry_after).count());
    made->maintenance.exempt = AddressSet::of(rules.maintenance.exempt);
  }
  for (const auto& [status, name] : rules.errors.pages) {
    const int key = status.size() == 3 && status.ends_with("xx") ? status[0] - '0' : std::atoi(status.c_str());
    TRY(made->pages[key], files.page(name));
  }
  made->intercept = rules.errors.intercept;
  if (rules.auth.enabled && !rules.auth.users.empty()) {
    TRY(made->users, files.users(rules.auth.users));
  }
  made->challenge = "Basic realm=\"" + rules.auth.realm + "\", charset=\"UTF-8\"";
  made->allow = AddressSet::of(rules.access.allow);
  made->allow_only = !rules.access.allow.empty();
  made->deny = AddressSet::of(rules.access.deny);
  made->hsts = hsts_of(rules.hsts);
  made->cookies = rules.cookies;
  made->encoded_slash = rules.encoded_slash;
  made->https_redirect = rules.https_redirect;
  made->rewrite_redirects = rules.rewrite_redirects;
  return std::shared_ptr<const CompiledRules>(std::move(made));
}

}  // namespace fleet::route
