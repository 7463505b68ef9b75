// Files of tests/fixtures/wire that hold today's bytes; FLEET_UPDATE_GOLDEN=1 writes them anew.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace fleet::wire::test {

inline std::string read_source(const std::string& path) {
  std::ifstream in(std::string(FLEET_SOURCE_DIR) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void expect_golden(const std::string& name, const std::string& text) {
  const auto path = "tests/fixtures/wire/" + name;
  if (std::getenv("FLEET_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(std::string(FLEET_SOURCE_DIR) + "/" + path, std::ios::binary) << text;
  }
  EXPECT_EQ(read_source(path), text) << path << " (when meant: unit-wire with FLEET_UPDATE_GOLDEN=1)";
}

}  // namespace fleet::wire::test
