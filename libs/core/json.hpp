// JSON of any value that lists its fields: enums by name, durations as integer milliseconds, optionals as null.
// Only programs that link nlohmann_json include this; the shim does not.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"
#include "core/result.hpp"

namespace fleet::json {

using Json = nlohmann::ordered_json;

namespace detail {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsStringMap : std::false_type {};
template <class T>
struct IsStringMap<std::map<std::string, T>> : std::true_type {};

}  // namespace detail

template <class T>
Json write(const T& value) {
  if constexpr (std::is_same_v<T, Json>) {
    return value;
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    return value.count();
  } else if constexpr (NamedEnum<T>) {
    return name(value);
  } else if constexpr (detail::IsVector<T>::value) {
    Json list = Json::array();
    for (const auto& element : value) list.push_back(write(element));
    return list;
  } else if constexpr (detail::IsOptional<T>::value) {
    return value ? write(*value) : Json(nullptr);
  } else if constexpr (detail::IsStringMap<T>::value) {
    Json object = Json::object();
    for (const auto& [key, element] : value) object[key] = write(element);
    return object;
  } else if constexpr (HasFields<T>) {
    Json object = Json::object();
    const auto visit = [&](const char* field, const auto& member) { object[field] = write(member); };
    for_each_field(value, visit);
    return object;
  } else {
    return value;
  }
}

// Reads what write() wrote. A missing field keeps its default (an older writer), an unknown one is ignored (a newer
// writer); a field of another type is an error naming it.
template <class T>
Result<> read(const Json& json, T& value) {
  const auto wrong = [](const char* wanted) { return fail(std::string("expected ") + wanted); };
  if constexpr (std::is_same_v<T, Json>) {
    value = json;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) return wrong("a boolean");
    value = json.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) return wrong("a string");
    value = json.get<std::string>();
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    if (!json.is_number_integer()) return wrong("milliseconds");
    value = std::chrono::milliseconds(json.get<std::int64_t>());
  } else if constexpr (NamedEnum<T>) {
    const auto known = json.is_string() ? from_name<T>(json.get_ref<const std::string&>()) : std::nullopt;
    if (!known) return wrong("one of the known names");
    value = *known;
  } else if constexpr (detail::IsVector<T>::value) {
    if (!json.is_array()) return wrong("a list");
    value.clear();
    for (const auto& element : json) TRYV(read(element, value.emplace_back()));
  } else if constexpr (detail::IsOptional<T>::value) {
    value.reset();
    if (!json.is_null()) return read(json, value.emplace());
  } else if constexpr (detail::IsStringMap<T>::value) {
    if (!json.is_object()) return wrong("an object");
    value.clear();
    for (const auto& [key, element] : json.items()) TRYV(read(element, value[key]));
  } else if constexpr (HasFields<T>) {
    if (!json.is_object()) return wrong("an object");
    Result<> result;
    const auto visit = [&](const char* field, auto& member) {
      const auto found = json.find(field);
      if (!result || found == json.end()) return;
      result = read(*found, member);
      if (!result) result = std::unexpected(std::move(result.error()).in(field));
    };
    for_each_field(value, visit);
    return result;
  } else if constexpr (std::is_integral_v<T>) {
    if (!json.is_number_integer()) return wrong("a whole number");
    const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                                : std::in_range<T>(json.get<std::int64_t>());
    if (!fits) return wrong("a number in range");
    value = json.get<T>();
  } else {
    if (!json.is_number()) return wrong("a number");
    value = json.get<T>();
  }
  return {};
}

}  // namespace fleet::json
