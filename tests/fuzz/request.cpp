// A request's head: what we accept and write anew, Beast and we ourselves read the same way.
#include "beast.hpp"
#include "http/forward.hpp"
#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto bytes = input.rest();
  http::HeadScanner whole;
  const auto size = whole.scan(bytes);
  http::HeadScanner slow;
  http::Parsed<std::size_t> slow_size = 0;
  std::size_t seen = 0;
  fuzz::in_pieces(bytes, 1, [&](std::string_view piece) {
    seen += piece.size();
    if (slow_size && *slow_size == 0) slow_size = slow.scan(bytes.substr(0, seen));
  });
  if (!size || *size == 0) return;
  require(slow_size == size, "a head ends at the same place however it comes");

  http::RequestHead head;
  if (!http::parse_request(bytes.substr(0, *size), head)) return;
  const auto framing = http::request_framing(head);
  if (!framing) return;
  char buffer[64u << 10];
  http::Writer out(buffer, buffer + sizeof buffer);
  http::write_request(out, head, *framing, {.address = "192.0.2.1", .https = true});
  if (out.overflowed()) return;
  const std::string_view written(buffer, out.size());

  http::RequestHead again;
  http::HeadScanner scanner;
  require(scanner.scan(written) == out.size(), "what is written is one head");
  if (head.authority.empty()) return;  // HTTP/1.0 without Host: an empty one goes out
  const auto parsed = http::parse_request(written, again);
  if (!parsed && parsed.error() == http::Fault::too_many_fields) return;  // with ours
  require(parsed.has_value(), "what is written is accepted");
  const auto framing_again = http::request_framing(again);
  require(framing_again && framing_again->kind == framing->kind && framing_again->length == framing->length,
          "the framing stays");
  require(again.method_text == head.method_text && again.target == head.target && again.authority == head.authority,
          "method, target and authority stay");

  const auto theirs = fuzz::read_with_beast<true>(written, true);
  require(theirs.has_value(), "Beast accepts what is written");
  require(theirs->method == head.method_text, "Beast reads the same method");
  require(theirs->target == head.target, "Beast reads the same target");
  require(theirs->fields == again.fields.size(), "Beast sees as many fields");
  require(theirs->chunked == (framing->kind == http::BodyKind::chunked), "Beast sees the same coding");
  if (framing->kind == http::BodyKind::length) require(theirs->length == framing->length, "Beast sees the same length");
}
