// Why bytes from a peer were refused. The name is the reason code that the client sees (X-Fleet-Error).
#pragma once

#include <cstdint>
#include <expected>

#include "core/names.hpp"

namespace fleet::http {

enum class Fault : std::uint8_t {
  bad_request_line,
  bad_target,
  bad_version,
  unsupported_version,
  bad_status_line,
  bad_field,
  folded_field,
  bare_line_feed,
  bad_host,
  bad_length,
  bad_transfer_coding,
  conflicting_lengths,
  bad_chunk,
  bad_expectation,
  method_refused,
  head_too_large,
  too_many_fields,
  target_too_long,
  unsupported_protocol,
  body_too_large,
};
FLEET_NAMES(Fault, "bad-request-line", "bad-target", "bad-version", "unsupported-version", "bad-status-line",
            "bad-field", "folded-field", "bare-line-feed", "bad-host", "bad-length", "bad-transfer-coding",
            "conflicting-lengths", "bad-chunk", "bad-expectation", "method-refused", "head-too-large",
            "too-many-fields", "target-too-long", "unsupported-protocol", "body-too-large")

// The status that a client gets for it.
constexpr int status_of(Fault fault) {
  switch (fault) {
    case Fault::bad_request_line:
    case Fault::bad_target:
    case Fault::bad_version:
    case Fault::bad_status_line:
    case Fault::bad_field:
    case Fault::folded_field:
    case Fault::bare_line_feed:
    case Fault::bad_host:
    case Fault::bad_length:
    case Fault::bad_transfer_coding:
    case Fault::conflicting_lengths:
    case Fault::bad_chunk: return 400;
    case Fault::method_refused: return 405;
    case Fault::body_too_large: return 413;
    case Fault::target_too_long: return 414;
    case Fault::bad_expectation: return 417;
    case Fault::head_too_large:
    case Fault::too_many_fields: return 431;
    case Fault::unsupported_protocol: return 501;
    case Fault::unsupported_version: return 505;
  }
  return 400;
}

template <class T = void>
using Parsed = std::expected<T, Fault>;

inline std::unexpected<Fault> refuse(Fault fault) { return std::unexpected(fault); }

}  // namespace fleet::http
