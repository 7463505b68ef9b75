// The two files of a [[tls]] table, read and inspected.
#pragma once

#include "tls/inspect.hpp"

namespace fleet::tls {

struct Loaded {
  Pair pair;
  Inspected inspected;
};

// A key that this process may not read: for who serves it an error, for who checks it a warning.
enum class UnreadableKey { error, warning };

Result<Loaded> load(const TlsConfig& files, const Roots& roots, std::int64_t now, UnreadableKey unreadable);

// What changes when a file does, also one that a symlink in the path leads to. Empty: there is no such file.
std::string file_stamp(const std::string& path);

}  // namespace fleet::tls
