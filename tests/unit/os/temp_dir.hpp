// A folder of its own for one test, removed at its end.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

class TempDir : public ::testing::Test {
 protected:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fleet-os-XXXXXX").string();
    dir = ::mkdtemp(pattern.data());
  }
  ~TempDir() override {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  std::string dir;
};
