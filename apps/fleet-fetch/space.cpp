#include "space.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <string>

namespace fleet::fetch {
namespace {

constexpr std::uint64_t kMostReserve = 64u << 20;

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

std::uint64_t reserve_of(const Space& space) { return std::min(kMostReserve, space.total / 50); }

Result<> fits(std::uint64_t needed, const Space& space, std::string_view what) {
  const auto reserve = reserve_of(space);
  if (space.free >= reserve && needed <= space.free - reserve) return {};
  return fail(ErrorKind::fetch, "not enough space: " + std::string(what) + " needs " + std::to_string(needed) + " bytes, " +
                                    std::to_string(space.free) + " are free, of which " + std::to_string(reserve) +
                                    " are kept in reserve (fleetctl gc removes releases)");
}

Result<> check_room(int fd, std::uint64_t needed, std::string_view what) {
  struct statvfs is {};
  if (::fstatvfs(fd, &is) != 0 || is.f_blocks == 0) return {};
  return fits(needed, {is.f_bavail * is.f_frsize, is.f_blocks * is.f_frsize}, what);
}

std::optional<std::uint64_t> zstd_content_size(std::string_view head) {
  if (head.size() < 5) return std::nullopt;
  const auto descriptor = static_cast<unsigned char>(head[4]);
  const bool single_segment = (descriptor & 0x20) != 0;
  constexpr std::size_t kDictionaryId[] = {0, 1, 2, 4};
  const std::size_t at = 5 + (single_segment ? 0u : 1u) + kDictionaryId[descriptor & 3];
  const auto flag = descriptor >> 6;
  const std::size_t length = flag == 0 ? (single_segment ? 1u : 0u) : std::size_t{1} << flag;
  if (length == 0 || head.size() < at + length) return std::nullopt;
  return little_endian(head.substr(at, length)) + (length == 2 ? 256u : 0u);
}

Result<std::optional<std::uint64_t>> declared_size(const Scratch& scratch, Format format) {
  constexpr std::size_t kZstdHeader = 18, kGzipTrailer = 4;
  switch (format) {
    case Format::tar: return scratch.size();
    case Format::tar_zst: {
      TRY(const auto head, scratch.head(kZstdHeader));
      return zstd_content_size(head);
    }
    case Format::tar_gz: {  // modulo 2^32, and of the last member: no more than it is
      if (scratch.size() < kGzipTrailer) return std::nullopt;
      TRY(const auto tail, scratch.part(scratch.size() - kGzipTrailer, kGzipTrailer));
      return little_endian(tail);
    }
    case Format::tar_xz:
    case Format::tar_bz2:
    case Format::zip:
    case Format::war:
    case Format::jar: return std::nullopt;
    case Format::executable: return scratch.size();
  }
  return std::nullopt;
}

}  // namespace fleet::fetch
