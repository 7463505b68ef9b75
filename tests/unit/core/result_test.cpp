#include "core/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace fleet {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorKind::usage, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  TRY(const int first, half(n));
  TRY(const int second, half(first));
  return second;
}

Result<> even(int n) {
  TRYV(half(n));
  return {};
}

TEST(Result, PassesValuesOn) {
  EXPECT_EQ(quarter(12), 3);
  EXPECT_TRUE(even(2));
}

TEST(Result, StopsAtTheFirstError) {
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().kind, ErrorKind::usage);
  EXPECT_EQ(even(3).error().text, "odd");
}

TEST(Error, TakesContextInFront) {
  const auto error = Error{ErrorKind::fetch, "timed out"}.in("https://x/").in("cannot fetch");
  EXPECT_EQ(error.text, "cannot fetch: https://x/: timed out");
  EXPECT_EQ(error.kind, ErrorKind::fetch);
}

TEST(Error, SaysWhatTheSystemSaidInLowerCase) {
  EXPECT_EQ(fail_errno("cannot open /x", ENOENT).error().text, "cannot open /x: no such file or directory");
}

}  // namespace
}  // namespace fleet
