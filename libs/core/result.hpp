// Errors as values. A function that can fail returns Result<T>; the caller adds context once, outermost first:
// "what: object: why (hint)", lower case, one line, no full stop. Exceptions are for bugs and bad_alloc only.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "core/names.hpp"

namespace fleet {

// What a caller may want to act on; everything else is text. fleetctl's exit codes derive from these.
enum class ErrorKind : std::uint8_t {
  internal,     // a fault of ours or of the system
  usage,        // the request or the configuration is wrong
  not_found,    // no such app, release, deployment
  busy,         // another deploy of this app is under way
  unhealthy,    // the candidate did not become healthy; the old release was kept
  fetch,        // the artifact could not be fetched or unpacked
  verify,       // the artifact is not what it should be
  unreachable,  // the peer did not answer
  denied,       // not allowed
  aborted,      // asked to stop
};
FLEET_NAMES(ErrorKind, "internal", "usage", "not_found", "busy", "unhealthy", "fetch", "verify", "unreachable",
            "denied", "aborted")

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string text;

  // The same error with `context` in front: "context: text".
  [[nodiscard]] Error in(std::string_view context) && {
    text.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string text) {
  return std::unexpected(Error{kind, std::move(text)});
}
inline std::unexpected<Error> fail(std::string text) { return fail(ErrorKind::internal, std::move(text)); }

// fail("cannot open /x", errno) -> "cannot open /x: no such file or directory"
std::unexpected<Error> fail_errno(std::string_view what, int error_number);

}  // namespace fleet

#define FLEET_CAT_(a, b) a##b
#define FLEET_CAT(a, b) FLEET_CAT_(a, b)
// TRY(auto x, f());  returns f()'s error, or declares x. Statements, not statement expressions: g++ 12 cannot compile
// co_await inside the latter. TRYV for Result<void>. CO_ forms for coroutines.
#define FLEET_TRY_(ret, tmp, decl, ...)                             \
  auto tmp = (__VA_ARGS__);                                         \
  if (!tmp.has_value()) ret std::unexpected(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define TRY(decl, ...) FLEET_TRY_(return, FLEET_CAT(try_result_, __COUNTER__), decl, __VA_ARGS__)
#define CO_TRY(decl, ...) FLEET_TRY_(co_return, FLEET_CAT(try_result_, __COUNTER__), decl, __VA_ARGS__)
#define FLEET_TRYV_(ret, tmp, ...) \
  if (auto tmp = (__VA_ARGS__); !tmp.has_value()) ret std::unexpected(std::move(tmp).error())
#define TRYV(...) FLEET_TRYV_(return, FLEET_CAT(try_result_, __COUNTER__), __VA_ARGS__)
#define CO_TRYV(...) FLEET_TRYV_(co_return, FLEET_CAT(try_result_, __COUNTER__), __VA_ARGS__)
