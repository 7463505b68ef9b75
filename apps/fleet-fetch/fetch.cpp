#include "fetch.hpp"

#include <optional>

#include "build.hpp"
#include "format.hpp"
#include "sandbox.hpp"
#include "staging.hpp"
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

}  // namespace

Result<wire::FetchDone> fetch(const wire::FetchJob& job, Progress& progress) {
  TRYV(progress.enter(wire::FetchPhase::download, 0));
  if (job.look_only) return look_at(job, progress);
  TRY(const auto keys, trusted_keys(job));
  TRY(Staging staging, Staging::create(job.destination));
  TRY(auto created, Scratch::create(job.max_download, !keys.empty()));
  std::optional<Scratch> scratch(std::move(created));
  TRY(const Build build, get_build(job, keys, *scratch, progress));
  wire::FetchDone done;
  done.etag = build.etag;
  done.unchanged = build.unchanged;
  if (done.unchanged) return done;

  TRYV(progress.enter(wire::FetchPhase::verify, scratch->size()));
  TRYV(deny_network());
  TRY(const Format format, format_of(build, *scratch));
  done.sha256 = scratch->sha256();
  done.bytes = scratch->size();
  TRY(done.signed_by, verify_build(build, job, keys, *scratch));

  TRYV(progress.enter(wire::FetchPhase::unpack, scratch->size()));
  TRY(const Unpacked unpacked, unpack(*scratch, format, build.source.basename, job, staging.root(), progress));
  scratch.reset();  // before the disk is synced: these bytes need not get there
  TRYV(staging.publish());
  done.format = build.is_folder ? "directory" : name(unpacked.format);
  done.unpacked_bytes = unpacked.bytes;
  done.entries = unpacked.entries;
  if (!build.said.url.empty()) done.url = build.source.shown;
  done.version = build.said.version;
  return done;
}

}  // namespace fleet::fetch
