// The command line of fleet-shim; hand-made, because an argument parser would outweigh the program.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "core/result.hpp"

namespace fleet::shim {

struct Options {
  std::string id, socket;
  std::chrono::milliseconds launch_within{10000};
  bool help = false, version = false;
};

extern const char* const kHelp;

// `arguments` without the program's name.
Result<Options> parse_options(std::span<char* const> arguments);

}  // namespace fleet::shim
