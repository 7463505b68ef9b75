// Enum <-> name, from one table beside the enum: FLEET_NAMES(Phase, "prepare", "warm", ...). The table lists every
// value in order, starting at 0; the size is the count that decoders check against.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

namespace fleet {

template <class E>
concept NamedEnum = std::is_enum_v<E> && requires { fleet_names(E{}); };

template <NamedEnum E>
constexpr std::size_t enum_count() {
  return fleet_names(E{}).size();
}

template <NamedEnum E>
constexpr std::string_view name(E value) {
  const auto index = static_cast<std::size_t>(value);
  return index < enum_count<E>() ? fleet_names(E{})[index] : std::string_view("invalid");
}

template <NamedEnum E>
constexpr std::optional<E> from_name(std::string_view text) {
  for (std::size_t i = 0; i < enum_count<E>(); ++i) {
    if (fleet_names(E{})[i] == text) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace fleet

#define FLEET_NAMES(E, ...) \
  constexpr auto fleet_names(E) { return std::to_array<std::string_view>({__VA_ARGS__}); }
