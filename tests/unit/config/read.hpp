// A configuration as the tests below write it: parsed in a fixed environment, problems as lines.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "config/parse.hpp"

namespace fleet::config::test {

inline Environment user() {
  Environment environment;
  environment.uid = 1000;
  environment.home = "/home/ann";
  environment.cores = 4;
  environment.directory = "/etc/fleet";
  return environment;
}

inline std::vector<std::string> problems(std::string_view text, const Environment& environment = user()) {
  const auto config = parse(text, "fleet.toml", environment);
  return config ? std::vector<std::string>() : config.error().lines();
}

inline std::string file(const std::string& path) {
  std::ifstream in(std::string(FLEET_SOURCE_DIR) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace fleet::config::test
