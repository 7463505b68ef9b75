// Rewrites of hostile paths by hostile rules: a redirect stays on its host, and nothing that goes on breaks a head.
// Lines: pattern, template, authority, then the request's target.
#include "http/chars.hpp"
#include "http/forward.hpp"
#include "input.hpp"
#include "route/decide.hpp"
#include "route/edits.hpp"
#include "route/index.hpp"

using namespace fleet;
using fuzz::require;

namespace {

bool fits_a_field(std::string_view text) {
  return http::all_are(text, http::chars::value);
}

}  // namespace

FLEET_FUZZ_TARGET(input) {
  const auto options = input.byte();
  Rules rules;
  Rewrite rewrite;
  rewrite.match = std::string(input.line());
  rewrite.to = std::string(input.line());
  rewrite.status = options & 1 ? 302 : 0;
  rules.rewrites.push_back(rewrite);
  rules.strip_path = (options & 2) != 0;
  rules.path = rules.strip_path ? "/api" : "/";
  rules.encoded_slash = static_cast<EncodedSlash>((options >> 2) % 3);
  rules.request_headers.set["X-Path"] = "${uri}";
  const std::map<std::string, std::string> none;
  route::Files files(none);
  const auto compiled = route::compile(rules, files);

  Route route;
  route.hosts = {"shop.example", "*.example.org"};
  route.rules = {rules};
  const route::Index index({route});

  std::string text = "GET / HTTP/1.1\r\nHost: ";
  text += input.line();
  text += "\r\n\r\n";
  const std::string target(input.rest());
  text.replace(4, 1, target);
  http::HeadScanner scanner;
  const auto size = scanner.scan(text);
  if (!size || *size != text.size()) return;
  http::RequestHead head;
  if (!http::parse_request(text, head)) return;
  const auto framing = http::request_framing(head);
  std::string path_scratch, host_scratch;
  const auto path = route::matching_path(head.target, EncodedSlash::separator, path_scratch);
  if (!path) return;
  require(path->text.starts_with('/'), "a matching path begins with a slash");
  require(path->text.find("/../") == std::string_view::npos && !path->text.ends_with("/.."), "nothing climbs");
  require(path->text.find('\0') == std::string_view::npos, "no NUL");
  const auto host = route::matching_host(head.authority, host_scratch);
  index.match(host, path->text);

  if (!compiled) return;
  route::Logins logins("0123456789abcdef0123456789abcdef");
  const route::Place place{"shop", HttpsRedirect::off, compiled->get(), host, *path};
  const route::Asked asked{head, *framing, *parse_address("192.0.2.1"), "192.0.2.1", true, 443, {}};
  const auto decision = route::decide(place, asked, logins);
  require(fits_a_field(decision.location), "a location is one field value");
  require(!decision.location.starts_with("//") && !decision.location.starts_with("/\\"), "no redirect to another host");
  require(decision.target.empty() || (decision.target.starts_with('/') && http::all_are(decision.target, http::chars::target)),
          "a rewritten target is a target");

  const auto values = route::values_of(place, asked);
  const route::RequestEdits edits(**compiled, values, rules.strip_path);
  char buffer[128u << 10];
  http::Writer out(buffer, buffer + sizeof buffer);
  http::write_request(out, head, *framing, {.address = "192.0.2.1"}, {decision.target, &edits});
  if (out.overflowed() || out.size() > http::kMaxHead) return;
  const std::string_view written(buffer, out.size());
  http::HeadScanner again_scanner;
  require(again_scanner.scan(written) == out.size(), "what is written is one head");
  http::RequestHead again;
  const auto parsed = http::parse_request(written, again);
  require(parsed || head.authority.empty() || parsed.error() == http::Fault::target_too_long ||
              parsed.error() == http::Fault::too_many_fields, "what is written is accepted");
}
