// A path's rules, made ready once for each table: patterns compiled, files taken in, addresses sorted.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cidr.hpp"
#include "core/result.hpp"
#include "core/rules.hpp"
#include "route/pattern.hpp"
#include "route/template.hpp"
#include "route/users.hpp"

namespace fleet::route {

// What the rules of one app name, held once however many of them do.
class Files {
 public:
  explicit Files(const std::map<std::string, std::string>& contents) : contents_(contents) {}
  explicit Files(std::map<std::string, std::string>&&) = delete;  // they outlive this
  using Page = std::shared_ptr<const std::string>;
  // Errors: the rules name a file that did not come with them; of users: what Users::parse says.
  Result<Page> page(const std::string& name);
  Result<std::shared_ptr<const Users>> users(const std::string& name);

 private:
  const std::map<std::string, std::string>& contents_;
  std::map<std::string, Page> pages_;
  std::map<std::string, std::shared_ptr<const Users>> users_;
};

struct CompiledRewrite {
  Pattern match;
  Template to;
  int status = 0;  // 0: the application gets the new path; from 400 on there is no `to`
};

struct CompiledEdits {
  struct Own {
    std::string name;
    Template value;
  };
  std::vector<std::string> taken;  // names that do not go out as they came
  std::vector<Own> own;
  Template host;  // of a request
  bool sets_host = false;
  bool empty() const { return taken.empty() && own.empty() && !sets_host; }
};

struct CompiledRules {
  std::string prefix;  // "" or "/api"
  bool strip_path = false;
  std::string canonical_host;
  std::vector<CompiledRewrite> rewrites;
  CompiledEdits request, response;
  std::uint64_t max_body = 0;
  std::chrono::milliseconds first_byte_timeout{0}, idle_timeout{0}, tunnel_timeout{0};
  struct {
    bool enabled = false;
    Files::Page page;
    std::uint32_t retry_after = 0;  // seconds
    AddressSet exempt;
  } maintenance;
  std::map<int, Files::Page> pages;  // by status, or by class as 4 and 5
  bool intercept = false;
  std::shared_ptr<const Users> users;  // null: nobody is asked
  std::string challenge;               // the value of WWW-Authenticate
  AddressSet allow, deny;
  bool allow_only = false;  // somebody is in allow
  std::string hsts;         // the field's value; empty: none
  CookieRules cookies;
  EncodedSlash encoded_slash = EncodedSlash::separator;
  std::optional<HttpsRedirect> https_redirect;  // absent: as of the whole app
  std::optional<bool> rewrite_redirects;        // likewise

  // The page for an answer of this status, or null.
  const std::string* page(int status) const;
};

Result<std::shared_ptr<const CompiledRules>> compile(const Rules& rules, Files& files);

// What an operator may write for a field's name: a token, and none that fleet needs for itself. Empty, or what is wrong.
std::string refused_field(std::string_view name, bool of_request);

}  // namespace fleet::route
