// The fields of an HTTP/2 request: what is accepted goes on as one HTTP/1.1 head that is accepted (S24).
#include "http/forward.hpp"
#include "http/http2_head.hpp"
#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  http::Http2Head fields;
  const bool ended = (input.byte() & 1) != 0;
  while (!input.rest().empty()) {
    const auto line = input.line();
    const auto colon = line.find('=', 1);
    fields.add(line.substr(0, colon), colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1));
  }
  http::RequestHead head;
  if (!fields.settle(head, "a2V5a2V5a2V5a2V5a2V5aw==")) return;
  const auto framing = http::http2_request_framing(head, ended);
  if (!framing) return;
  char buffer[128u << 10];
  http::Writer out(buffer, buffer + sizeof buffer);
  http::write_request(out, head, *framing, {.address = "2001:db8::1"});
  if (out.overflowed()) return;
  const std::string_view written(buffer, out.size());
  if (written.size() > http::kMaxHead) return;
  http::HeadScanner scanner;
  require(scanner.scan(written) == out.size(), "what is written is one head");
  http::RequestHead again;
  const auto parsed = http::parse_request(written, again);
  require(parsed || parsed.error() == http::Fault::too_many_fields, "what is written is accepted");
  if (parsed) require(again.target == head.target && again.authority == head.authority, "target and authority stay");
}
