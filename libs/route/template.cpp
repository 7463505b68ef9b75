#include "route/template.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::route {
namespace {

using std::string_view;

auto wrong(std::string why) { return fail(ErrorKind::usage, std::move(why)); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The name behind a dollar sign, taken off `rest`.
Result<string_view> take_name(string_view& rest) {
  const bool braced = rest.starts_with('{');
  if (braced) rest.remove_prefix(1);
  std::size_t size = 0;
  if (!rest.empty() && (is_digit(rest[0]) || rest[0] == '$')) {
    size = 1;
  } else {
    while (size < rest.size() && rest[size] >= 'a' && rest[size] <= 'z') ++size;
  }
  const auto name = rest.substr(0, size);
  rest.remove_prefix(size);
  if (name.empty()) return wrong("a $ that begins no variable (a dollar sign is written $$)");
  if (braced && !rest.starts_with('}')) return wrong("\"${" + std::string(name) + "\" is not closed");
  if (braced) rest.remove_prefix(1);
  return name;
}

bool may_stand(char c, Template::Use use) {
  if (use == Template::Use::field) return http::chars::is(c, http::chars::value);
  if (c == '#') return use == Template::Use::location;
  constexpr string_view kNotInUris = "\"<>\\^`{|}";
  return http::chars::is(c, http::chars::target) && kNotInUris.find(c) == string_view::npos;
}

}  // namespace

Result<Template> Template::parse(string_view text, Use use, int groups) {
  constexpr std::array<std::pair<string_view, Variable>, 5> kNames{{{"host", Variable::host},
                                                                    {"scheme", Variable::scheme},
                                                                    {"uri", Variable::uri},
                                                                    {"client", Variable::client},
                                                                    {"app", Variable::app}}};
  Template made;
  made.use_ = use;
  if (text.size() > 2000) return wrong("longer than 2000 bytes");
  if (use != Use::field && text.ends_with('?')) {
    made.drops_query_ = true;
    text.remove_suffix(1);
  }
  auto place = UriPart::path;
  const auto literal = [&](char c) {
    if (made.parts_.empty() || made.parts_.back().variable != Variable::literal) made.parts_.emplace_back();
    made.parts_.back().text.push_back(c);
    if (c == '?' || c == '#') place = UriPart::query;
    made.drops_query_ |= c == '#';
  };
  while (!text.empty()) {
    const char c = text[0];
    if (c != '$' && !may_stand(c, use)) return wrong("has a byte that cannot stand there (write it percent-encoded)");
    text.remove_prefix(1);
    if (c != '$') {
      literal(c);
      continue;
    }
    TRY(const auto name, take_name(text));
    if (name == "$") {
      literal('$');
    } else if (is_digit(name[0])) {
      const int group = name[0] - '0';
      if (group > groups) return wrong("$" + std::string(name) + ": the pattern has no such group");
      made.parts_.push_back({Variable::group, {}, static_cast<std::size_t>(group), place});
    } else {
      made.uses_host_ |= name == "host";
      made.drops_query_ |= name == "uri";  // has it
      const auto known = std::ranges::find(kNames, name, &std::pair<string_view, Variable>::first);
      if (known == kNames.end()) {
        const auto end = std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"), text.size());
        return wrong("$" + std::string(name).append(text.substr(0, end)) +
                     ": no such variable (there are $host $scheme $uri $client $app)");
      }
      made.parts_.push_back({known->second, {}, 0, place});
    }
  }
  if (use == Use::path) {
    const bool begins = !made.parts_.empty() && (made.parts_[0].text.starts_with('/') ||
                                                 made.parts_[0].variable == Variable::uri);
    if (!begins) return wrong("does not begin with /");
  }
  if (use == Use::location) {
    TRYV(check_location(made.parts_));
  }
  return made;
}

// A redirect leads where the operator says: nothing that a client sends may become part of the host.
Result<> Template::check_location(const std::vector<Part>& parts) {
  const auto elsewhere = [](string_view text) { return text.starts_with("//") || text.starts_with("/\\"); };
  if (parts.empty()) return wrong("is empty");
  if (parts[0].variable == Variable::uri) return {};
  if (parts[0].text.starts_with('/')) {
    return elsewhere(parts[0].text) ? wrong("begins with // (a URL is written with its scheme)") : Result<>();
  }
  auto at = parts.begin();
  string_view rest = at->text;
  const auto begins = [&](string_view scheme) { return rest.starts_with(scheme) ? (rest.remove_prefix(scheme.size()), true) : false; };
  if (at->variable == Variable::scheme && ++at != parts.end()) {
    rest = at->text;
    if (!begins("://")) return wrong("$scheme is not followed by ://");
  } else if (!begins("http://") && !begins("https://")) {
    return wrong("is neither a path nor an http or https URL");
  }
  const auto end = rest.find_first_of("/?#");
  const auto host = rest.substr(0, end);
  if (!host.empty()) {
    if (!http::split_authority(host)) return wrong("has no valid host");
    if (end != string_view::npos || ++at == parts.end() || at->variable == Variable::uri) return {};
    return wrong("what follows the host does not begin with / (a request could lengthen the host)");
  }
  if (end != string_view::npos || ++at == parts.end() || at->variable != Variable::host) return wrong("has no host");
  if (++at == parts.end() || at->variable == Variable::uri) return {};
  if (at->variable == Variable::literal && (at->text[0] == '/' || at->text[0] == '?' || at->text[0] == ':')) {
    if (at->text[0] != ':') return {};
    const auto port_end = at->text.find_first_not_of("0123456789", 1);
    if (port_end == std::string::npos ? at + 1 == parts.end() || (at + 1)->variable == Variable::uri
                                      : at->text[port_end] == '/' || at->text[port_end] == '?') {
      return {};
    }
  }
  return wrong("what follows the host does not begin with / (a request could lengthen the host)");
}

void Template::expand(std::string& out, const Values& values) const {
  const auto begin = out.size();
  for (const auto& part : parts_) {
    switch (part.variable) {
      case Variable::literal: out += part.text; break;
      case Variable::group: append_encoded(out, (*values.groups)[part.group], part.place, values.slash); break;
      case Variable::host: out += values.host; break;
      case Variable::scheme: out += values.scheme; break;
      case Variable::uri: out += values.uri; break;
      case Variable::client: out += values.client; break;
      case Variable::app: out += values.app; break;
    }
  }
  if (use_ == Use::field) return;
  // "//host" names another host, in a Location and in a target alike, and browsers take a backslash for a slash.
  const auto behind = std::min(out.find_first_not_of("/\\", begin), out.size());
  if (behind - begin > 1) out.replace(begin, behind - begin, "/");
}

}  // namespace fleet::route
