// The binary form of every message between fleet's processes. Fields go in the order they are listed: integers and
// durations little endian at their own width (durations: 8-byte milliseconds), bools and enums one byte, strings and
// lists a 4-byte count then the elements, maps as lists of pairs, optionals a presence byte, a struct inside another
// the 4-byte size of its fields and then these. Decoding is strict: a short or out-of-range value is an error.
//
// Processes of two versions of fleet talk to each other during an upgrade, so structs grow at their end: fields that an
// older peer did not send keep their defaults, and what a newer peer sent behind the last known field is passed over.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"
#include "core/result.hpp"

namespace fleet::wire {

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  template <class T>
  void operator()(const char*, const T& value) { put(value); }

  template <class T>
  void put(const T& value) {
    if constexpr (std::is_same_v<T, bool> || NamedEnum<T>) {
      out_.push_back(static_cast<char>(value));
    } else if constexpr (std::is_integral_v<T>) {
      for (std::size_t i = 0; i < sizeof(T); ++i) {
        out_.push_back(static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i) & 0xff));
      }
    } else {
      const auto size_at = out_.size();
      count(0);
      for_each_field(value, *this);
      std::string size;
      Encoder(size).count(out_.size() - size_at - 4);
      out_.replace(size_at, 4, size);
    }
  }
  // The message itself: its size is the frame's.
  template <class M>
  void message(const M& value) {
    for_each_field(value, *this);
  }
  void put(const std::string& value) {
    count(value.size());
    out_ += value;
  }
  void put(const std::chrono::milliseconds& value) { put(static_cast<std::int64_t>(value.count())); }
  template <class T>
  void put(const std::vector<T>& values) {
    count(values.size());
    for (const auto& value : values) put(value);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class K, class T>
  void put(const std::map<K, T>& values) {
    count(values.size());
    for (const auto& [key, value] : values) put(key), put(value);
  }

 private:
  void count(std::size_t n) { put(static_cast<std::uint32_t>(n)); }
  std::string& out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}

  template <class T>
  void operator()(const char* field, T& value) {
    if (!ok_ || in_.empty()) return;
    get(value);
    if (!ok_ && bad_field_ == nullptr) bad_field_ = field;
  }

  template <class T>
  void get(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = byte(2) != 0;
    } else if constexpr (NamedEnum<T>) {
      value = static_cast<T>(byte(enum_count<T>()));
    } else if constexpr (std::is_integral_v<T>) {
      std::make_unsigned_t<T> bits = 0;
      const auto raw = take(sizeof(T));
      for (std::size_t i = 0; i < raw.size(); ++i) {
        bits = static_cast<std::make_unsigned_t<T>>(
            bits | static_cast<std::make_unsigned_t<T>>(static_cast<std::make_unsigned_t<T>>(
                       static_cast<unsigned char>(raw[i])) << (8 * i)));
      }
      value = static_cast<T>(bits);
    } else {
      const auto fields = take(count(1));
      if (!ok_) return;
      const auto rest = std::exchange(in_, fields);
      for_each_field(value, *this);
      in_ = rest;
    }
  }
  template <class M>
  void message(M& value) {
    for_each_field(value, *this);
  }
  void get(std::string& value) { value = take(count(1)); }
  void get(std::chrono::milliseconds& value) {
    std::int64_t n = 0;
    get(n);
    value = std::chrono::milliseconds(n);
  }
  template <class T>
  void get(std::vector<T>& values) {
    const std::size_t n = count(1);
    values.clear();
    for (std::size_t i = 0; i < n && ok_; ++i) get(values.emplace_back());
  }
  template <class T>
  void get(std::optional<T>& value) {
    value.reset();
    if (byte(2) != 0) get(value.emplace());
  }
  template <class K, class T>
  void get(std::map<K, T>& values) {
    const std::size_t n = count(2);
    values.clear();
    for (std::size_t i = 0; i < n && ok_; ++i) {
      K key{};
      T value{};
      get(key), get(value);
      if (!values.empty() && !(values.rbegin()->first < key)) ok_ = false;  // one value has one form
      values.emplace(std::move(key), std::move(value));
    }
  }

  bool ok() const { return ok_; }
  const char* bad_field() const { return bad_field_ ? bad_field_ : "?"; }

 private:
  std::string_view take(std::size_t n) {
    if (!ok_ || n > in_.size()) {
      ok_ = false;
      return {};
    }
    const auto part = in_.substr(0, n);
    in_.remove_prefix(n);
    return part;
  }
  std::uint8_t byte(std::size_t limit) {
    const auto raw = take(1);
    const auto value = raw.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(raw[0]);
    if (value >= limit) ok_ = false;
    return ok_ ? value : std::uint8_t{0};
  }
  // A count is believed only as far as the bytes that are there could hold that many elements.
  std::size_t count(std::size_t smallest_element) {
    std::uint32_t n = 0;
    get(n);
    if (n > in_.size() / smallest_element) ok_ = false;
    return ok_ ? n : 0;
  }

  std::string_view in_;
  bool ok_ = true;
  const char* bad_field_ = nullptr;
};

template <class M>
std::string encode(const M& message) {
  std::string out;
  Encoder encoder(out);
  encoder.message(message);
  return out;
}

// Errors: ErrorKind::internal naming the message and the first field that does not hold.
template <class M>
Result<M> decode(std::string_view bytes) {
  M message;
  Decoder decoder(bytes);
  decoder.message(message);
  if (!decoder.ok()) return fail(std::string("malformed message: ") + M::kName + "." + decoder.bad_field());
  return message;
}

}  // namespace fleet::wire
