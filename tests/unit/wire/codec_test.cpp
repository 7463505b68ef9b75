#include "wire/codec.hpp"

#include <gmock/gmock.h>

#include <random>

#include "../sample.hpp"
#include "all_messages.hpp"
#include "golden.hpp"
#include "wire/frame.hpp"

namespace fleet::wire::test {
namespace {

using fleet::test::sample;
using testing::HasSubstr;

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out.append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
    out += i % 32 == 31 || i + 1 == bytes.size() ? '\n' : ' ';
  }
  return out;
}

TEST(Codec, LeadsBackToEveryMessage) {
  for_each_message([]<class M>() {
    const auto message = sample<M>();
    const auto decoded = decode<M>(encode(message));
    ASSERT_TRUE(decoded) << decoded.error().text;
    EXPECT_EQ(*decoded, message) << M::kName;
    EXPECT_EQ(decode<M>(encode(M{})), M{}) << M::kName;
  });
}

TEST(Codec, WritesTheBytesThatOtherVersionsExpect) {
  for_each_message([]<class M>() { expect_golden(std::string(M::kName) + ".hex", hex(frame(sample<M>(), 2))); });
}

// What is there is read, what is not keeps its defaults, and nothing is made up.
TEST(Codec, RefusesAMessageCutWithinAField) {
  for_each_message([]<class M>() {
    const auto whole = encode(sample<M>());
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const auto cut = std::string_view(whole).substr(0, length);
      const auto decoded = decode<M>(cut);
      if (decoded) {
        EXPECT_TRUE(encode(*decoded).starts_with(cut)) << M::kName << " cut at " << length;
      } else {
        EXPECT_THAT(decoded.error().text, testing::StartsWith(std::string("malformed message: ") + M::kName + "."));
      }
    }
  });
}

TEST(Codec, ReadsBackWhatItMakesOfDamage) {
  std::mt19937 random(7);
  for_each_message([&]<class M>() {
    const auto whole = encode(sample<M>());
    for (int round = 0; round < 400 && !whole.empty(); ++round) {
      auto bytes = whole;
      for (auto damage = 1 + random() % 3; damage > 0; --damage) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      const auto decoded = decode<M>(bytes);
      if (decoded) {
        EXPECT_EQ(decode<M>(encode(*decoded)), *decoded) << M::kName;
      }
    }
  });
}

struct OldPart {
  std::string name;
  FLEET_FIELDS(OldPart, name)
};
struct NewPart {
  std::string name;
  std::uint32_t weight = 100;
  FLEET_FIELDS(NewPart, name, weight)
};
struct OldForm {
  FLEET_MESSAGE(OldForm, 997)
  std::vector<OldPart> parts;
  FLEET_FIELDS(OldForm, parts)
};
struct NewForm {
  FLEET_MESSAGE(NewForm, 997)
  std::vector<NewPart> parts;
  bool urgent = false;
  FLEET_FIELDS(NewForm, parts, urgent)
};

TEST(Codec, KeepsTheDefaultsOfFieldsThatAnOlderPeerDoesNotKnow) {
  const OldForm old{{{"a"}, {"b"}}};
  EXPECT_EQ(decode<NewForm>(encode(old)), (NewForm{{{"a"}, {"b"}}, false}));
}

TEST(Codec, PassesOverFieldsThatANewerPeerAdded) {
  const NewForm fresh{{{"a", 1}, {"b", 2}}, true};
  EXPECT_EQ(decode<OldForm>(encode(fresh)), (OldForm{{{"a"}, {"b"}}}));
}

struct Small {
  FLEET_MESSAGE(Small, 999)
  bool flag = false;
  HealthKind kind = HealthKind::http;
  std::int16_t number = 0;
  FLEET_FIELDS(Small, flag, kind, number)
};

struct Lists {
  FLEET_MESSAGE(Lists, 998)
  std::vector<std::string> list;
  std::map<std::string, std::string> map;
  FLEET_FIELDS(Lists, list, map)
};

template <std::size_t N>
std::string bytes(const char (&literal)[N]) {
  return std::string(literal, N - 1);
}

template <class M>
std::string problem(const std::string& text) {
  const auto decoded = decode<M>(text);
  return decoded ? "" : decoded.error().text;
}

TEST(Codec, WritesLittleEndian) {
  EXPECT_EQ(encode(Small{true, HealthKind::notify, -2}), bytes("\x01\x03\xfe\xff"));
  EXPECT_EQ(decode<Small>(bytes("\x01\x03\xfe\xff")), (Small{true, HealthKind::notify, -2}));
}

TEST(Codec, RefusesValuesOutOfRangeByField) {
  EXPECT_EQ(problem<Small>(bytes("\x02\x00\x00\x00")), "malformed message: Small.flag");
  EXPECT_EQ(problem<Small>(bytes("\x00\x04\x00\x00")), "malformed message: Small.kind");
  EXPECT_EQ(problem<Small>(bytes("\x00\x03\x00")), "malformed message: Small.number");
}

TEST(Codec, BelievesNoCountBeyondTheBytesThatAreThere) {
  EXPECT_EQ(problem<Lists>(bytes("\xff\xff\xff\xff")), "malformed message: Lists.list");
  EXPECT_EQ(problem<Lists>(bytes("\x01\x00\x00\x00\xff\xff\xff\x7f")), "malformed message: Lists.list");
  EXPECT_EQ(problem<Lists>(bytes("\x00\x00\x00\x00\xff\xff\xff\xff")), "malformed message: Lists.map");
}

TEST(Codec, RefusesMapsOutOfOrderOrWithAKeyTwice) {
  const auto map = [](const char* first, const char* second) {
    return bytes("\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00") + first +
           bytes("\x00\x00\x00\x00\x01\x00\x00\x00") + second + bytes("\x00\x00\x00\x00");
  };
  EXPECT_EQ(problem<Lists>(map("a", "b")), "");
  EXPECT_EQ(problem<Lists>(map("a", "a")), "malformed message: Lists.map");
  EXPECT_EQ(problem<Lists>(map("b", "a")), "malformed message: Lists.map");
}

}  // namespace
}  // namespace fleet::wire::test
