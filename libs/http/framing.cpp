#include "http/framing.hpp"

#include <limits>

#include "http/chars.hpp"

namespace fleet::http {
namespace {

// S4: digits only, below 2^63.
Parsed<std::uint64_t> parse_length(std::string_view text) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (text.empty()) return refuse(Fault::bad_length);
  std::uint64_t length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return refuse(Fault::bad_length);
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (kMax - digit) / 10) return refuse(Fault::bad_length);
    length = length * 10 + digit;
  }
  return length;
}

// What the framing fields say by themselves; `until_close` when there are none.
Parsed<Framing> told(const FieldList& fields, int minor) {
  const Field* length = nullptr;
  const Field* coding = nullptr;
  for (const auto& field : fields) {
    if (field.id == FieldId::content_length) {
      if (length) return refuse(Fault::bad_length);  // S2, S3: even equal ones
      length = &field;
    } else if (field.id == FieldId::transfer_encoding) {
      if (coding) return refuse(Fault::bad_transfer_coding);  // S5
      coding = &field;
    }
  }
  if (length && coding) return refuse(Fault::conflicting_lengths);  // S1
  if (coding) {
    if (minor == 0) return refuse(Fault::bad_transfer_coding);                          // S6
    if (!iequals(coding->value, "chunked")) return refuse(Fault::bad_transfer_coding);  // S5
    return Framing{BodyKind::chunked};
  }
  if (!length) return Framing{BodyKind::until_close};
  const auto bytes = parse_length(length->value);
  if (!bytes) return refuse(bytes.error());
  return Framing{BodyKind::length, *bytes};
}

}  // namespace

// S19: whatever the method, a body is there exactly when the fields say so.
Parsed<Framing> request_framing(const RequestHead& head) {
  auto framing = told(head.fields, head.minor);
  if (framing && framing->kind == BodyKind::until_close) framing->kind = BodyKind::none;
  return framing;
}

Parsed<Framing> response_framing(const ResponseHead& head, Method request) {
  auto framing = told(head.fields, head.minor);  // S20: refused even where no body follows
  if (!framing) return framing;
  // S21
  if (request == Method::head || head.status < 200 || head.status == 204 || head.status == 304) {
    framing->length_told = framing->kind == BodyKind::length && head.status >= 200 && head.status != 204;
    framing->kind = BodyKind::none;
  }
  return framing;
}

}  // namespace fleet::http
