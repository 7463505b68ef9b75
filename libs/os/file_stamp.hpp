#pragma once

#include <string>

namespace fleet::os {

// What changes when a file does, also one that a symlink in the path leads to. Empty: there is no such file.
std::string file_stamp(const std::string& path);

}  // namespace fleet::os
