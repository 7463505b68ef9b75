#include "http/redirects.hpp"

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::http {
namespace {

bool is_loopback(std::string_view host) { return host == "127.0.0.1" || host == "[::1]" || iequals(host, "localhost"); }

// Does this authority, in an http URL, mean the application that answered?
bool names_upstream(std::string_view text, const ResponseRewrite& rewrite) {
  if (iequals(text, rewrite.authority)) return true;
  const auto named = split_authority(text);
  if (!named) return false;
  if (is_loopback(named->host)) return named->port == rewrite.upstream_port;
  const auto ours = split_authority(rewrite.authority);
  if (!ours || !iequals(named->host, ours->host)) return false;
  return named->port.empty() || named->port == "80" || named->port == rewrite.upstream_port;
}

// The prefix of a path that has it not. "//host" is no path.
std::string_view missing_prefix(std::string_view path, std::string_view prefix) {
  if (!path.starts_with('/') || path.starts_with("//")) return {};
  const auto rest = path.starts_with(prefix) ? path.substr(prefix.size()) : "x";
  const bool has_it = rest.empty() || rest[0] == '/' || rest[0] == '?' || rest[0] == '#';
  return has_it ? std::string_view() : prefix;
}

}  // namespace

RewrittenUrl rewrite_url(std::string_view url, const ResponseRewrite& rewrite) {
  constexpr std::string_view kHttp = "http://";
  if (!rewrite.prefix.empty() && url.starts_with('/')) return {{}, {}, missing_prefix(url, rewrite.prefix), url};
  if (!istarts_with(url, kHttp) || rewrite.authority.empty()) return {{}, {}, {}, url};
  const auto after = url.substr(kHttp.size());
  const auto end = after.find_first_of("/?#");
  const auto authority = after.substr(0, end);
  if (!names_upstream(authority, rewrite)) return {{}, {}, {}, url};
  const auto rest = end == std::string_view::npos ? std::string_view() : after.substr(end);
  return {rewrite.https ? "https://" : "http://", rewrite.authority, missing_prefix(rest, rewrite.prefix), rest};
}

void put_rewritten(FieldSink& out, const Field& field, const ResponseRewrite& rewrite) {
  auto url = field.value;
  std::string_view before, after;
  if (field.id == FieldId::refresh) {  // "5; url=http://..." or "5; url='http://...'"
    std::size_t at = 0;
    while (at < url.size() && !istarts_with(url.substr(at), "url=")) ++at;
    at = std::min(url.size(), at + 4);
    if (at < url.size() && (url[at] == '"' || url[at] == '\'')) {
      const auto quote = url.find(url[at], at + 1);
      if (quote != std::string_view::npos) after = url.substr(quote);
      ++at;
    }
    before = url.substr(0, at);
    url = url.substr(at, url.size() - at - after.size());
  }
  const auto changed = rewrite_url(url, rewrite);
  if (changed.scheme.empty() && changed.prefix.empty()) return out.put(field.name, field.value);
  std::string value;
  for (const auto part : {before, changed.scheme, changed.authority, changed.prefix, changed.rest, after}) value.append(part);
  out.put(field.name, value);
}

}  // namespace fleet::http
