// A chunked body: the same however its bytes come, and the same as Beast reads it; trailers are field lines.
#include "beast.hpp"
#include "http/body.hpp"
#include "http/forward.hpp"
#include "input.hpp"

using namespace fleet;
using fuzz::require;

namespace {

struct Result {
  std::string body, trailers;
  std::size_t used = 0;
  bool ended = false, faulty = false;
};

// Gives the reader what it asks for in growing views, as a connection does.
Result read(std::string_view bytes, std::uint32_t seed) {
  http::BodyReader reader;
  reader.begin({.kind = http::BodyKind::chunked});
  Result result;
  std::string at_hand;
  fuzz::in_pieces(bytes, seed, [&](std::string_view piece) {
    at_hand += piece;
    while (!result.faulty && !result.ended) {
      const auto framing = reader.read(at_hand);
      if (!framing) {
        result.faulty = true;
        return;
      }
      at_hand.erase(0, *framing);
      result.used += *framing;
      const auto n = reader.ready();
      result.body += at_hand.substr(0, n);
      at_hand.erase(0, n);
      result.used += n;
      reader.taken(n);
      result.ended = reader.ended();
      if (*framing == 0 && n == 0) return;
    }
  });
  result.trailers = reader.trailers();
  return result;
}

}  // namespace

FLEET_FUZZ_TARGET(input) {
  const auto seed = input.byte();
  const auto bytes = input.rest();
  const auto one = read(bytes, seed), other = read(bytes, seed + 1u);
  require(one.faulty == other.faulty && one.ended == other.ended, "pieces do not matter");
  if (one.faulty) return;
  require(one.body == other.body && one.used == other.used && one.trailers == other.trailers, "pieces do not matter");
  if (!one.ended) return;

  http::FieldList trailers;
  const auto parsed = one.trailers.empty() || http::parse_trailers(one.trailers, trailers);
  std::string message = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  char buffer[64u << 10];
  http::Writer out(buffer, buffer + sizeof buffer);
  if (!one.body.empty()) {
    out.put_number(one.body.size(), 16);
    out.put_all("\r\n", one.body, "\r\n");
  }
  http::write_last_chunk(out, parsed && !one.trailers.empty() ? &trailers : nullptr);
  if (out.overflowed()) return;
  message.append(buffer, out.size());
  const auto theirs = fuzz::read_with_beast<true>(message, false);
  require(theirs && theirs->whole, "Beast reads to the end what is written");
  require(theirs->body == one.body, "Beast reads the same body");
}
