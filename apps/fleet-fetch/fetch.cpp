#include "fetch.hpp"

#include <optional>

#include "acquire.hpp"
#include "format.hpp"
#include "sandbox.hpp"
#include "source.hpp"
#include "staging.hpp"
#include "unpack.hpp"

namespace fleet::fetch {
namespace {

Result<> check_digest(const std::string& expected, const std::string& got) {
  if (expected.empty() || expected == got) return {};
  return fail(ErrorKind::verify, "sha256 mismatch: expected " + expected + ", got " + got);
}

}  // namespace

Result<wire::FetchDone> fetch(const wire::FetchJob& job, Progress& progress) {
  TRYV(progress.enter(wire::FetchPhase::download, 0));
  TRY(const Source source, parse_source(job.url));
  TRY(Staging staging, Staging::create(job.destination));
  TRY(auto created, Scratch::create(job.max_download));
  std::optional<Scratch> scratch(std::move(created));
  TRYV(source.local ? copy_local(source, *scratch, progress) : download(source, job, *scratch, progress));

  TRYV(progress.enter(wire::FetchPhase::verify, scratch->size()));
  TRYV(deny_network());
  TRY(const std::string head, scratch->head(kFormatBytes));
  auto format = detect_format(head);
  if (!format) return std::unexpected(std::move(format).error().in(source.shown));
  wire::FetchDone done;
  done.sha256 = scratch->sha256();
  done.bytes = scratch->size();
  TRYV(check_digest(job.sha256, done.sha256));

  TRYV(progress.enter(wire::FetchPhase::unpack, scratch->size()));
  const Limits limits{job.max_unpacked, job.max_entries, job.max_depth, job.max_ratio};
  TRY(const Unpacked unpacked, unpack(*scratch, *format, source.basename, limits, staging.root(), progress));
  scratch.reset();  // before the disk is synced: these bytes need not get there
  TRYV(staging.publish());
  done.format = name(unpacked.format);
  done.unpacked_bytes = unpacked.bytes;
  done.entries = unpacked.entries;
  return done;
}

}  // namespace fleet::fetch
