// What a trusted peer says of a request's way: whatever it says, the head that goes on is one head.
#include "http/forward.hpp"
#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto options = input.byte();
  std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
  text.append(input.rest());
  text += "\r\n\r\n";
  http::HeadScanner scanner;
  const auto size = scanner.scan(text);
  if (!size || *size == 0) return;
  http::RequestHead head;
  if (!http::parse_request(std::string_view(text).substr(0, *size), head)) return;
  const auto framing = http::request_framing(head);
  if (!framing) return;

  static const auto kTrusted = AddressSet::of({"10.0.0.0/8", "2001:db8::/32", "127.0.0.1"});
  http::Provenance told;
  told.read(head.fields, {"10.0.0.1", IpAddress::v4(10, 0, 0, 1), (options & 1) != 0}, kTrusted,
            options & 2 ? ForwardedHeader::forwarded : ForwardedHeader::x_forwarded);
  require(told.hops().size() <= http::kMaxHops, "hops are bounded");
  require(told.client_hop() <= told.hops().size(), "the client is one of the hops, or the peer");

  char buffer[64u << 10];
  http::Writer out(buffer, buffer + sizeof buffer);
  http::write_request(out, head, *framing, {"10.0.0.1", false, &told, "fleet-0123456789abcdef"});
  if (out.overflowed()) return;
  const std::string_view written(buffer, out.size());
  http::HeadScanner again_scanner;
  require(again_scanner.scan(written) == out.size() || out.size() > http::kMaxHead, "what is written is one head");
  http::RequestHead again;
  const auto parsed = http::parse_request(written, again);
  require(parsed || parsed.error() == http::Fault::too_many_fields, "what is written is accepted");
}
