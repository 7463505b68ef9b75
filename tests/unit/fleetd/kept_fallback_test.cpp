#include "kept_fallback.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "temp_dir.hpp"

namespace fleet {
namespace {

RouteTable table(std::uint64_t generation, const std::vector<std::string>& targets) {
  RouteTable made;
  made.generation = generation;
  auto& route = made.routes.emplace_back();
  route.app = "shop";
  auto& release = route.releases.emplace_back();
  release.release = 1;
  for (const auto& id : targets) release.targets.emplace_back().id = id;
  return made;
}

std::vector<std::string> targets_of(const RouteTable& table) {
  std::vector<std::string> ids;
  for (const auto& target : table.routes.at(0).releases.at(0).targets) ids.push_back(target.id);
  return ids;
}

struct Kept : TempDir {
  Kept() {
    kept.boot_id = "this boot";
    kept.good = table(7, {"shop-v1-1", "shop-v1-2"});
    kept.bad_program = "123-4";
    kept.bad_table = 8;
    kept.since = "2026-11-22T23:30:10.000Z";
    kept.why = "it crashed";
  }
  const std::string path = dir + "/fallback";
  KeptFallback kept;
};

TEST_F(Kept, IsReadAsItWasWritten) {
  EXPECT_FALSE(read_fallback(path, "this boot")) << "nothing was written yet";
  ASSERT_TRUE(write_fallback(path, kept));
  const auto read = read_fallback(path, "this boot");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->good.generation, 7u);
  EXPECT_EQ(targets_of(read->good), (std::vector<std::string>{"shop-v1-1", "shop-v1-2"}));
  EXPECT_EQ(read->bad_program, "123-4");
  EXPECT_EQ(read->bad_table, 8u);
  EXPECT_EQ(read->why, "it crashed");
}

TEST_F(Kept, TargetsAndTimesAreOfOneBootOnlyTheProgramIsForEver) {
  ASSERT_TRUE(write_fallback(path, kept));
  const auto read = read_fallback(path, "another boot");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->good.generation, 0u);
  EXPECT_EQ(read->bad_table, 0u);
  EXPECT_EQ(read->bad_program, "123-4");
}

TEST_F(Kept, WhatIsDamagedIsNotTaken) {
  ASSERT_TRUE(write_fallback(path, kept));
  std::filesystem::resize_file(path, 30);
  EXPECT_FALSE(read_fallback(path, "this boot"));
  std::ofstream(path) << "garbage that is no fallback of anything";
  EXPECT_FALSE(read_fallback(path, "this boot"));
}

TEST_F(Kept, TargetsThatAreGoneAreNotFallenBackTo) {
  const auto now = table(9, {"shop-v1-2", "shop-v2-3"});
  const auto given = with_what_is_there(kept.good, now);
  EXPECT_EQ(given.generation, 7u);
  EXPECT_EQ(targets_of(given), std::vector<std::string>{"shop-v1-2"});
}

}  // namespace
}  // namespace fleet
