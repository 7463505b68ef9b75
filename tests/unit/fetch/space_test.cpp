#include "space.hpp"

#include <gmock/gmock.h>

#include "rate.hpp"

namespace fleet::fetch {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

constexpr std::uint64_t kMiB = 1u << 20;

TEST(Space, KeepsAReserveThatIsSmallOnASmallDisk) {
  EXPECT_EQ(reserve_of({0, 1000 * 1024 * kMiB}), 64 * kMiB);
  EXPECT_EQ(reserve_of({0, 50 * kMiB}), kMiB);
}

TEST(Space, SaysWhatIsNeededAndWhatThereIs) {
  const Space disk{100 * kMiB, 100'000 * kMiB};
  EXPECT_TRUE(fits(36 * kMiB, disk, "the download"));
  const auto refused = fits(36 * kMiB + 1, disk, "the download");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::fetch);
  EXPECT_THAT(refused.error().text, HasSubstr("the download needs 37748737 bytes, 104857600 are free, of which 67108864 are kept in reserve"));
  EXPECT_FALSE(fits(0, {10 * kMiB, 100'000 * kMiB}, "x")) << "into the reserve already";
  EXPECT_FALSE(fits(~0ull, disk, "x"));
}

TEST(Space, KnowsWhatAZstandardFrameDeclares) {
  EXPECT_EQ(zstd_content_size("\x28\xb5\x2f\xfd\x20\x05"sv), 5u) << "single segment, one byte";
  EXPECT_EQ(zstd_content_size("\x28\xb5\x2f\xfd\x60\x01\x00"sv), 257u) << "two bytes count from 256";
  EXPECT_EQ(zstd_content_size("\x28\xb5\x2f\xfd\x84\x58\x00\x00\x10\x00"sv), 0x100000u) << "window byte, four bytes";
  EXPECT_EQ(zstd_content_size("\x28\xb5\x2f\xfd\x04\x58"sv), std::nullopt) << "it need not say";
  EXPECT_EQ(zstd_content_size("\x28\xb5\x2f\xfd\x84\x58"sv), std::nullopt) << "cut off";
  EXPECT_EQ(zstd_content_size(""sv), std::nullopt);
}

TEST(Rate, IsThatOfTheLastSeconds) {
  Rate rate;
  const Rate::Moment begin{};
  rate.note(begin, 0);
  rate.note(begin + 400ms, 400);
  EXPECT_EQ(rate.per_second(), 0u) << "too early to tell";
  rate.note(begin + 1s, 1000);
  EXPECT_EQ(rate.per_second(), 1000u);
  for (int i = 2; i <= 10; ++i) rate.note(begin + std::chrono::seconds(i), 1000);
  EXPECT_EQ(rate.per_second(), 0u) << "it stands still";
}

TEST(Rate, BeginsAgainWhenTheCountGoesDown) {
  Rate rate;
  const Rate::Moment begin{};
  rate.note(begin, 1'000'000);
  rate.note(begin + 1s, 0);
  EXPECT_EQ(rate.per_second(), 0u);
  rate.note(begin + 2s, 50);
  EXPECT_EQ(rate.per_second(), 50u);
}

}  // namespace
}  // namespace fleet::fetch
