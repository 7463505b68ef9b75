#include "reuse.hpp"

#include "format.hpp"

namespace fleet::fetch {
namespace {

bool is_java(Format format) { return format == Format::war || format == Format::jar; }

// A zip is told from a Java archive by its name, too (zip_kind): one that was neither may be one under another name.
bool same_layout(const wire::KnownBuild& known, const wire::FetchJob& job, const std::string& basename) {
  const auto format = from_name<Format>(known.format);
  if (!format) return false;
  const bool named_java = is_java(zip_kind(basename, false, false));
  if (known.layout == kLayoutTree) {
    const bool is_zip = *format == Format::zip || is_java(*format);
    return !is_zip || job.unpack_java || (*format == Format::zip && !named_java);
  }
  if (known.layout != layout_of_file(basename)) return false;
  return *format == Format::executable || (is_java(*format) && !job.unpack_java);
}

}  // namespace

std::string layout_of_file(const std::string& name) { return "file:" + name; }

std::uint32_t known_as(const wire::FetchJob& job, const std::string& sha256, const std::string& basename) {
  if (sha256.empty()) return 0;
  for (std::uint32_t i = 0; i < job.known.size(); ++i) {
    if (job.known[i].sha256 == sha256 && same_layout(job.known[i], job, basename)) return i + 1;
  }
  return 0;
}

wire::FetchDone done_as_known(const wire::FetchJob& job, std::uint32_t number) {
  const auto& known = job.known[number - 1];
  wire::FetchDone done;
  done.reused = number;
  done.sha256 = known.sha256;
  done.format = known.format;
  done.layout = known.layout;
  done.unpacked_bytes = known.unpacked_bytes;
  done.entries = known.entries;
  done.version = known.version;
  done.signed_by = known.signed_by;
  done.trusted_by = known.trusted_by;
  return done;
}

}  // namespace fleet::fetch
