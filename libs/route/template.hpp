// Text with variables: what a rewritten path becomes, where a redirect leads, the value of a field.
//
//   $0 to $9   what the pattern matched, percent-encoded for where it stands
//   $host      the host that the client asked for, without port     $scheme   http or https
//   $uri       path and query as the client sent them               $client   the client's address
//   $app       the app                                              $$        a dollar sign
// A variable may be written in braces, as in ${1}0.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "route/path.hpp"
#include "route/pattern.hpp"

namespace fleet::route {

// What variables stand for in one request. None of the texts has a control character, but groups may.
struct Values {
  std::string_view host, scheme, uri, client, app;
  const Pattern::Groups* groups = nullptr;
  EncodedSlash slash = EncodedSlash::separator;
};

class Template {
 public:
  // path: begins with one slash; for the application. location: a path, or an http(s) URL whose host is literal or $host
  // and ends before anything that a request could lengthen it by. field: the value of a field.
  enum class Use : std::uint8_t { path, location, field };

  // Errors (usage): unknown variables, groups that the pattern does not have, bytes that cannot stand there.
  static Result<Template> parse(std::string_view text, Use use, int groups);

  void expand(std::string& out, const Values& values) const;
  // Ends in "?", has a fragment or $uri: the query of the request is not to follow.
  bool drops_query() const { return drops_query_; }
  bool uses_host() const { return uses_host_; }

 private:
  enum class Variable : std::uint8_t { literal, group, host, scheme, uri, client, app };
  struct Part {
    Variable variable = Variable::literal;
    std::string text;       // of a literal
    std::size_t group = 0;  // of a group
    UriPart place = UriPart::path;
  };
  static Result<> check_location(const std::vector<Part>& parts);

  std::vector<Part> parts_;
  Use use_ = Use::field;
  bool drops_query_ = false, uses_host_ = false;
};

}  // namespace fleet::route
