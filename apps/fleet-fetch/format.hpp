// What an artifact is, told by its first bytes, never by its name. No I/O.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/names.hpp"
#include "core/result.hpp"

namespace fleet::fetch {

enum class Format : std::uint8_t { tar, tar_gz, tar_xz, tar_zst, tar_bz2, zip, war, jar, executable };
FLEET_NAMES(Format, "tar", "tar.gz", "tar.xz", "tar.zst", "tar.bz2", "zip", "war", "jar", "executable")

constexpr std::size_t kFormatBytes = 1024;  // as many of the first bytes as detect_format wants to see

// Never war or jar: those are zips that zip_kind tells apart. Errors: verify, saying what it looks like instead.
Result<Format> detect_format(std::string_view first_bytes);

// A zip that is a Java archive, which is run as it is: by its name, else by having a manifest.
Format zip_kind(std::string_view basename, bool has_java_manifest, bool has_web_inf);

}  // namespace fleet::fetch
