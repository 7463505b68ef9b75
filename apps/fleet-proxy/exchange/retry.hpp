// Whether a request that got no answer may be sent again (PROXY-RULES R). Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/names.hpp"

namespace fleet::proxy {

enum class AttemptEnd : std::uint8_t {
  connect_failed,  // refused, reset or timed out before there was a connection
  closed,          // the connection ended before an answer was complete
  timed_out,       // silence
  bad_answer,      // what came is not HTTP
  target_gone,     // the target left the table, its drain is over
};
FLEET_NAMES(AttemptEnd, "connect-failed", "closed", "timed-out", "bad-answer", "target-gone")

struct RetryFacts {
  AttemptEnd end = AttemptEnd::closed;
  bool client_gone = false;
  bool answer_begun = false;  // any byte of an answer came, 1xx too
  bool idempotent = false;
  bool body_untouched = false;   // the application was waiting for a body (Expect) that never left
  bool request_kept = true;      // all that was sent is still at hand to be sent again
  std::uint64_t bytes_sent = 0;  // on this attempt
  unsigned attempts = 1;         // so far, in this round
  unsigned replays = 0;          // how often bytes were sent again so far
  unsigned targets = 1;          // ready ones of the app now, at least 1: the one that there was may be back
  bool budget_left = true;
};

enum class Retry : std::uint8_t {
  no,
  later,      // as soon as the budget allows it
  elsewhere,  // another target, or the same when there is none; nothing was delivered
  replay,     // the same, on a new connection: the request may have been delivered
};

constexpr Retry decide_retry(const RetryFacts& facts) {
  const unsigned most = std::min(3u, facts.targets + 1);
  if (facts.client_gone || facts.answer_begun || !facts.request_kept) return Retry::no;  // R10, R5, R6
  if (facts.attempts >= most) return Retry::no;
  if (facts.end == AttemptEnd::connect_failed) return Retry::elsewhere;  // R1
  if (facts.end != AttemptEnd::closed && facts.end != AttemptEnd::target_gone) return Retry::no;
  const bool undelivered = facts.bytes_sent == 0;  // R3
  const bool may_repeat = facts.idempotent && facts.end == AttemptEnd::closed;  // R2; the drain's limit is a limit (D4)
  if (!undelivered && (facts.replays > 0 || !(may_repeat || facts.body_untouched))) return Retry::no;  // R2, D8, R3
  if (!facts.budget_left) return Retry::later;  // R9
  return undelivered ? Retry::elsewhere : Retry::replay;
}

}  // namespace fleet::proxy
