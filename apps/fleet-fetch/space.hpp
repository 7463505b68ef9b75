// Whether what is to be written has room, with something left for all else that writes to the same disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/result.hpp"
#include "format.hpp"
#include "scratch.hpp"

namespace fleet::fetch {

struct Space {
  std::uint64_t free = 0, total = 0;  // bytes; free: to us
};

// Bytes that stay free: a fiftieth of the disk, but no more than 64 MiB.
std::uint64_t reserve_of(const Space& space);

// Errors: fetch, saying how much is needed and how much there is. `what` needs it. Pure.
Result<> fits(std::uint64_t needed, const Space& space, std::string_view what);

// As fits(), on the file system that `fd` is on. One that cannot be asked has room.
Result<> check_room(int fd, std::uint64_t needed, std::string_view what);

// How many bytes at least what is in this file says that it unpacks to. Nothing: it does not say. Of a zip, its directory
// says it, which is not looked at here.
Result<std::optional<std::uint64_t>> declared_size(const Scratch& scratch, Format format);

// In the header of a zstandard frame (RFC 8878 §3.1.1.1). Pure.
std::optional<std::uint64_t> zstd_content_size(std::string_view head);

}  // namespace fleet::fetch
