#include "fetch.hpp"

#include "build.hpp"
#include "format.hpp"
#include "reuse.hpp"
#include "sandbox.hpp"
#include "unpack.hpp"

namespace fleet::fetch {
namespace {

Result<Format> format_of(const Build& build, const Scratch& scratch) {
  if (build.is_folder) return Format::tar;  // as it was packed
  TRY(const std::string head, scratch.head(kFormatBytes));
  auto format = detect_format(head);
  if (!format) return std::unexpected(std::move(format).error().in(build.source.shown));
  return format;
}

wire::FetchDone as_known(const Build& build, const wire::FetchJob& job) {
  auto done = done_as_known(job, build.known);
  done.etag = build.etag;
  if (!build.said.version.empty()) done.version = build.said.version;
  if (!build.said.url.empty()) done.url = build.source.shown;
  return done;
}

}  // namespace

Result<wire::FetchDone> fetch(const wire::FetchJob& job, Prepared prepared, Progress& progress) {
  TRYV(progress.enter(wire::FetchPhase::download, 0));
  const Errand errand{job, progress, prepared.files};
  if (prepared.root < 0) return look_at(errand);
  TRY(const auto keys, trusted_keys(job));
  auto scratch = std::move(prepared.packed);
  Build build;
  if (scratch) {
    TRY(build, packed_build(job));
  } else {
    TRY(auto created, Scratch::create(job.max_download, !keys.empty()));
    scratch.emplace(std::move(created));
    TRY(build, get_build(errand, *scratch));
  }
  if (build.known > 0) return as_known(build, job);
  wire::FetchDone done;
  done.etag = build.etag;
  done.unchanged = build.unchanged;
  if (done.unchanged) return done;

  TRYV(progress.enter(wire::FetchPhase::verify, scratch->size()));
  TRYV(deny_network());
  TRY(const Format format, format_of(build, *scratch));
  done.sha256 = scratch->sha256();
  done.bytes = scratch->size();
  TRY(const Signed by, verify_build(build, job, keys, *scratch));
  done.signed_by = by.shown;
  done.trusted_by = by.key;

  TRYV(progress.enter(wire::FetchPhase::unpack, scratch->size()));
  TRY(const Unpacked unpacked, unpack(*scratch, format, build.source.basename, job, prepared.root, progress));
  done.format = build.is_folder ? "directory" : name(unpacked.format);
  done.layout = unpacked.is_whole ? layout_of_file(build.source.basename) : kLayoutTree;
  done.unpacked_bytes = unpacked.bytes;
  done.entries = unpacked.entries;
  if (!build.said.url.empty()) done.url = build.source.shown;
  done.version = build.said.version;
  return done;
}

}  // namespace fleet::fetch
