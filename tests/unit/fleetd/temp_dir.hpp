// A folder of its own for one test, removed at its end.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

class TempDir : public ::testing::Test {
 protected:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fleetd-unit-XXXXXX").string();
    dir = ::mkdtemp(pattern.data());
  }
  ~TempDir() override {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(dir + "/" + name, std::ios::binary) << text;
  }
  void append(const std::string& name, const std::string& text) {
    std::ofstream(dir + "/" + name, std::ios::binary | std::ios::app) << text;
  }
  std::string read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(dir + "/" + name, std::ios::binary).rdbuf();
    return text.str();
  }
  std::string dir;
};
