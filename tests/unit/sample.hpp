// A value of any type that lists its fields, with something to tell apart in each of them.
#pragma once

#include <chrono>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"

namespace fleet::test {

class Sampler {
 public:
  template <class T>
  void operator()(const char* field, T& value) {
    field_ = field;
    fill(value);
  }

  template <class T>
  void fill(T& value) {
    if constexpr (std::same_as<T, bool>) {
      value = true;
    } else if constexpr (NamedEnum<T>) {
      value = static_cast<T>(enum_count<T>() - 1);
    } else if constexpr (std::integral<T>) {
      value = static_cast<T>(0x0102030405060708ull + ++count_);
    } else {
      for_each_field(value, *this);
    }
  }
  void fill(std::string& value) { value = std::string(field_) + " " + std::to_string(++count_); }
  void fill(std::chrono::milliseconds& value) { value = std::chrono::milliseconds(1000 + ++count_); }
  template <class T>
  void fill(std::vector<T>& values) {
    values.resize(2);
    for (auto& value : values) fill(value);
  }
  template <class T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <class T>
  void fill(std::map<std::string, T>& values) {
    fill(values["first"]);
    fill(values["second"]);
  }

 private:
  const char* field_ = "";
  unsigned count_ = 0;
};

template <class T>
T sample() {
  T value{};
  Sampler().fill(value);
  return value;
}

}  // namespace fleet::test
