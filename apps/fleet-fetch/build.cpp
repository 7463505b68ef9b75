#include "build.hpp"

#include "format.hpp"
#include "text.hpp"
#include "trust/version.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kLargestDigestFile = 4096;

std::unexpected<Error> refused(const Source& source, const std::string& why) {
  return fail(ErrorKind::verify, source.shown + ": " + why);
}

// By what cannot have been changed on the way, whatever the pointer says.
bool is_vouched_for(const wire::FetchJob& job) { return !job.sha256.empty() || !job.trusted_keys.empty(); }

Result<> check_way(const Source& source, bool vouched, const wire::FetchJob& job) {
  if (!source.is_plain() || vouched || job.allow_insecure) return {};
  return refused(source, "refused over plain http, as nothing vouches for it (use https, a digest, a signature, or "
                         "allow_insecure)");
}

Result<> receive(const Source& source, const wire::FetchJob& job, Scratch& scratch, Progress& progress,
                 Received& received) {
  return source.local ? copy_local(source, scratch, progress, received)
                      : download(source, job, scratch, progress, received);
}

// Small files beside a build.
Result<std::string> text_of(const Source& source, const wire::FetchJob& job, std::size_t limit, Progress& progress) {
  TRY(Scratch scratch, Scratch::in_memory(limit));
  Received received;
  TRYV(receive(source, job, scratch, progress, received));
  return scratch.head(limit);
}

Result<std::optional<Pointer>> pointer_in(const Scratch& scratch, const Source& source) {
  if (scratch.size() > kLargestPointer) return std::nullopt;
  TRY(const auto content, scratch.head(kLargestPointer));
  auto pointer = parse_pointer(content);
  if (!pointer) return std::unexpected(std::move(pointer.error()).in(source.shown));
  return pointer;
}

Result<> check_version(const Source& source, const Pointer& said, const wire::FetchJob& job) {
  const auto order = compare_versions(said.version, job.version);
  if (!order || *order >= 0) return {};
  return refused(source, "version " + printable(said.version) + " is lower than " + printable(job.version) +
                             ", which is current (deploy --force goes back)");
}

// What `first` was found to point to.
Result<Source> follow(const Source& first, const Pointer& said, const wire::FetchJob& job) {
  TRYV(check_version(first, said, job));
  TRY(Source build, pointed(first, said.url, {job.authorization, job.s3}));
  const bool vouched = is_vouched_for(job) || (!first.is_plain() && !said.sha256.empty());
  TRYV(check_way(build, vouched, job));
  return build;
}

Result<Signature> get_signature(const Source& first, const Build& build, const wire::FetchJob& job,
                                Progress& progress) {
  const auto& said = build.said.signature;
  if (said.find('\n') != said.npos) return parse_signature(said);
  auto source = said.empty() ? beside(build.source, ".minisig") : pointed(first, said, {job.authorization, job.s3});
  if (!source) return std::unexpected(std::move(source.error()));
  auto text = text_of(*source, job, kLargestSignature, progress);
  if (!text && text.error().kind == ErrorKind::not_found) {
    return fail(ErrorKind::verify, "not signed: " + text.error().text + " (the app has trusted_keys)");
  }
  if (!text) return std::unexpected(std::move(text.error()));
  auto signature = parse_signature(*text);
  if (!signature) return std::unexpected(std::move(signature.error()).in(source->shown));
  return signature;
}

// A server that has none says so; whatever else it says is no reason to do without.
Result<std::string> digest_beside(const Build& build, const wire::FetchJob& job, Progress& progress) {
  const Source source = beside(build.source, ".sha256");
  const auto text = text_of(source, job, kLargestDigestFile, progress);
  if (!text && text.error().kind == ErrorKind::not_found) return std::string();
  if (!text) return std::unexpected(text.error());
  const auto digest = parse_digest_file(*text);
  if (!digest) return refused(source, "it has no digest as sha256sum writes it");
  return *digest;
}

Result<> gather(const Source& first, Build& build, const wire::FetchJob& job, Progress& progress) {
  if (!job.trusted_keys.empty()) {
    TRY(build.signature, get_signature(first, build, job, progress));
  } else if (job.sha256.empty() && build.said.sha256.empty()) {
    TRY(build.sha256, digest_beside(build, job, progress));
  }
  return {};
}

Result<> check_digest(const std::string& expected, const std::string& got) {
  if (expected.empty() || expected == got) return {};
  return fail(ErrorKind::verify, "sha256 mismatch: expected " + expected + ", got " + got);
}

}  // namespace

Result<PublicKeys> trusted_keys(const wire::FetchJob& job) {
  PublicKeys out;
  for (const auto& text : job.trusted_keys) {
    TRY(out.emplace_back(), parse_public_key(text));
  }
  return out;
}

Result<Build> get_build(const wire::FetchJob& job, const PublicKeys& keys, Scratch& scratch, Progress& progress) {
  TRY(const Source first, parse_source(job.url, {job.authorization, job.s3}));
  TRYV(check_way(first, is_vouched_for(job), job));
  Build build;
  build.source = first;
  build.is_folder = is_folder(first);
  if (build.is_folder) {
    if (!keys.empty()) return refused(first, "a folder has no signature, but the app has trusted_keys");
    TRYV(pack_folder(first, job, scratch, progress));
    return build;
  }
  Received received{job.known_etag, false};
  TRYV(receive(first, job, scratch, progress, received));
  build.etag = received.etag;
  build.unchanged = received.unchanged;
  if (build.unchanged) return build;
  TRY(auto pointer, pointer_in(scratch, first));
  if (!pointer) {
    TRY(const auto head, scratch.head(kFormatBytes));
    // A page that every URL leads to has better reasons to be refused than what was found beside it.
    if (detect_format(head)) TRYV(gather(first, build, job, progress));
    return build;
  }
  build.said = std::move(*pointer);
  TRY(build.source, follow(first, build.said, job));
  TRYV(gather(first, build, job, progress));
  TRYV(scratch.restart());
  Received of_build;
  TRYV(receive(build.source, job, scratch, progress, of_build));
  TRY(const auto further, pointer_in(scratch, build.source));
  if (further) return refused(build.source, "it points further, although it was pointed to itself");
  return build;
}

Result<std::string> verify_build(const Build& build, const wire::FetchJob& job, const PublicKeys& keys,
                                 const Scratch& scratch) {
  const auto got = scratch.sha256();
  for (const auto* expected : {&job.sha256, &build.said.sha256, &build.sha256}) TRYV(check_digest(*expected, got));
  if (!build.signature) return std::string();
  if (build.signature->prehashed) return verify(*build.signature, keys, scratch.blake2b());
  TRY(const auto bytes, scratch.mapped());
  return verify(*build.signature, keys, bytes.text());
}

Result<wire::FetchDone> look_at(const wire::FetchJob& job, Progress& progress) {
  TRY(const Source first, parse_source(job.url, {job.authorization, job.s3}));
  TRYV(check_way(first, is_vouched_for(job), job));
  TRY(Scratch scratch, Scratch::in_memory(kLargestPointer));
  Received received{job.known_etag, false};
  wire::FetchDone done;
  // What is too large for a pointer is a build, of which its etag is enough.
  if (auto got = receive(first, job, scratch, progress, received); !got && !scratch.was_too_large()) {
    return std::unexpected(std::move(got.error()));
  }
  done.etag = received.etag;
  done.unchanged = received.unchanged;
  if (done.unchanged || scratch.was_too_large()) return done;
  TRY(const auto pointer, pointer_in(scratch, first));
  if (!pointer) return done;
  TRY(const auto build, pointed(first, pointer->url, {}));
  done.url = build.shown;
  done.sha256 = pointer->sha256;
  done.version = pointer->version;
  return done;
}

}  // namespace fleet::fetch
