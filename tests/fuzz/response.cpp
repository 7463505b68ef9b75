// An answer's head: what we accept and write anew for the client, Beast and we ourselves read the same way.
#include "beast.hpp"
#include "http/forward.hpp"
#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto options = input.byte();
  const auto bytes = input.rest();
  http::HeadScanner scanner;
  const auto size = scanner.scan(bytes);
  if (!size || *size == 0) return;
  http::ResponseHead head;
  if (!http::parse_response(bytes.substr(0, *size), head)) return;
  const auto method = options & 1 ? http::Method::head : http::Method::get;
  const auto framing = http::response_framing(head, method);
  if (!framing || head.status < 200) return;

  char buffer[96u << 10];
  http::Writer out(buffer, buffer + sizeof buffer);
  http::ResponseRewrite rewrite;
  rewrite.redirects = (options & 2) != 0;
  rewrite.https = (options & 4) != 0;
  rewrite.authority = "shop.example:8443";
  rewrite.upstream_port = "20001";
  http::write_response(out, head, *framing, options & 8 ? http::Persistence::close : http::Persistence::keep, rewrite);
  if (out.overflowed()) return;
  const std::string_view written(buffer, out.size());
  http::HeadScanner again_scanner;
  require(again_scanner.scan(written) == out.size() || out.size() > http::kMaxHead, "what is written is one head");

  http::ResponseHead again;
  const auto parsed = http::parse_response(written, again);
  if (!parsed) {
    require(parsed.error() == http::Fault::too_many_fields, "what is written is accepted");
    return;
  }
  const auto framing_again = http::response_framing(again, method);
  require(framing_again && framing_again->kind == framing->kind, "the framing stays");
  require(again.status == head.status, "the status stays");

  const auto theirs = fuzz::read_with_beast<false>(written, true);
  require(theirs.has_value(), "Beast accepts what is written");
  require(theirs->status == static_cast<unsigned>(head.status), "Beast reads the same status");
  require(theirs->fields == again.fields.size(), "Beast sees as many fields");
  require(theirs->chunked == (framing->kind == http::BodyKind::chunked), "Beast sees the same coding");
}
