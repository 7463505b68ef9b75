// Small files, read whole and written whole: after a crash at any instant a written file has its old contents or its
// new ones, never a part.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace fleet::os {

// The file and its name are on disk when this returns. Goes by way of `.NAME.tmp` beside it, so a path has one writer
// at a time. A symlink at `path` is replaced, not followed.
Result<> write_file(const std::string& path, std::string_view bytes, mode_t mode = 0600);

// Errors: not_found when there is no such file, usage when it has more than `limit` bytes.
Result<std::string> read_file(const std::string& path, std::size_t limit);

// Makes durable which names a folder holds (after a rename or unlink in it).
Result<> sync_dir(const std::string& path);

}  // namespace fleet::os
