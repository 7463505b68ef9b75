// The set of messages: their numbers, names and fields, as the document tests/fixtures/wire/messages.txt has them.
#include "wire/messages.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "all_messages.hpp"
#include "golden.hpp"

namespace fleet::wire::test {
namespace {

std::string indented(std::string text) {
  for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 3)) text.replace(at, 1, "\n  ");
  return text;
}

class Describer {
 public:
  template <class T>
  void operator()(const char* field, const T& value) {
    text_ += std::string("\n") + field + ": " + type(value);
  }
  template <class T>
  static std::string fields_of(const T& value) {
    Describer describer;
    for_each_field(value, describer);
    return indented(describer.text_);
  }

 private:
  template <class T>
  static std::string type(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      return "bool";
    } else if constexpr (NamedEnum<T>) {
      std::string names;
      for (const auto name : fleet_names(T{})) names.append(names.empty() ? "" : "|").append(name);
      return names;
    } else if constexpr (std::is_integral_v<T>) {
      return (std::is_signed_v<T> ? "i" : "u") + std::to_string(8 * sizeof(T));
    } else {
      return "{" + fields_of(value) + "\n}";
    }
  }
  static std::string type(const std::string&) { return "string"; }
  static std::string type(const std::chrono::milliseconds&) { return "milliseconds"; }
  template <class T>
  static std::string type(const std::vector<T>&) {
    return "list of " + type(T{});
  }
  template <class T>
  static std::string type(const std::optional<T>&) {
    return "optional " + type(T{});
  }
  template <class T>
  static std::string type(const std::map<std::string, T>&) {
    return "map of " + type(T{});
  }

  std::string text_;
};

TEST(Messages, HaveNumbersOfTheirOwn) {
  std::map<std::uint16_t, std::string> seen;
  for_each_message([&]<class M>() {
    const auto [former, fresh] = seen.emplace(M::kType, M::kName);
    EXPECT_TRUE(fresh) << M::kName << " has the number of " << former->second;
  });
}

TEST(Messages, AreAllUnderTest) {
  std::set<std::string> declared, listed;
  const auto source = read_source("libs/wire/messages.hpp");
  const std::string mark = "  FLEET_MESSAGE(";
  for (auto at = source.find(mark); at != std::string::npos; at = source.find(mark, at + 1)) {
    const auto from = at + mark.size();
    declared.insert(source.substr(from, source.find(',', from) - from));
  }
  for_each_message([&]<class M>() { listed.insert(M::kName); });
  EXPECT_EQ(listed, declared);
}

TEST(Messages, AreThoseOfTheDocument) {
  auto document = "protocol " + std::to_string(kProtocol) + "\n";
  for_each_message([&]<class M>() {
    document += "\n" + std::to_string(M::kType) + " " + M::kName + Describer::fields_of(M{}) + "\n";
  });
  expect_golden("messages.txt", document);
}

}  // namespace
}  // namespace fleet::wire::test
