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

}  // namespace fleet::tls
