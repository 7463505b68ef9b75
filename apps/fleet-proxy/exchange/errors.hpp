// The answers that the proxy gives by itself. They keep their true status and say that they are its own.
#pragma once

#include <string>
#include <string_view>

#include "http/fault.hpp"
#include "http/forward.hpp"

namespace fleet::proxy {

struct OwnAnswer {
  int status = 500;
  std::string_view reason;   // X-Fleet-Error, and `error` in the access log; empty for what is no error
  std::string location;      // of a redirect
  unsigned retry_after = 0;  // seconds; 0: not said
  const std::string* page = nullptr;           // HTML in place of our text; null: none
  std::string_view challenge = {};             // WWW-Authenticate; empty: none
  const http::FieldEdits* edits = nullptr;     // null: none
  const http::ResponseHead* of_app = nullptr;  // it stands for this answer of the application; null: for none
};

inline OwnAnswer own_answer(http::Fault fault) { return {http::status_of(fault), name(fault), {}, 0}; }

namespace own {
inline OwnAnswer no_route() { return {404, "no-route", {}, 0}; }
inline OwnAnswer ready() { return {200, {}, {}, 0}; }
inline OwnAnswer request_timeout() { return {408, "request-timeout", {}, 0}; }
inline OwnAnswer misdirected() { return {421, "misdirected", {}, 0}; }
inline OwnAnswer client_too_slow() { return {408, "client-too-slow", {}, 0}; }
inline OwnAnswer connect_failed() { return {502, "connect-failed", {}, 0}; }
inline OwnAnswer upstream_closed() { return {502, "upstream-closed", {}, 0}; }
inline OwnAnswer bad_upstream_answer() { return {502, "bad-upstream-answer", {}, 0}; }
inline OwnAnswer target_gone() { return {502, "target-gone", {}, 0}; }
inline OwnAnswer no_target() { return {503, "no-target", {}, 1}; }
inline OwnAnswer not_ready() { return {503, "not-ready", {}, 1}; }
inline OwnAnswer upstream_timeout() { return {504, "upstream-timeout", {}, 0}; }
inline OwnAnswer loop_detected() { return {508, "loop-detected", {}, 0}; }
}  // namespace own

std::string_view reason_phrase(int status);
// What all protocols say in such an answer, beside its status.
std::string own_body(const OwnAnswer& answer);
void put_own_fields(http::FieldSink& out, const OwnAnswer& answer, std::size_t body_size);
// In HTTP/1.1. Returns how many bytes the body has of it.
std::size_t write_own_answer(http::Writer& out, const OwnAnswer& answer, bool with_body, http::Persistence persistence);

}  // namespace fleet::proxy
