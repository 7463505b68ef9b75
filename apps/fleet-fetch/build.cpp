#include "build.hpp"

#include <algorithm>

#include "format.hpp"
#include "reuse.hpp"
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

Credentials credentials_of(const wire::FetchJob& job) { return {job.authorization, job.s3, job.netrc}; }

Result<> receive(const Source& source, const Errand& errand, Scratch& scratch, Received& received) {
  return source.local ? copy_local(source, errand.files, scratch, errand.progress, received)
                      : download(source, errand.job, scratch, errand.progress, received);
}

// Small files beside a build.
Result<std::string> text_of(const Source& source, const Errand& errand, std::size_t limit) {
  TRY(Scratch scratch, Scratch::in_memory(limit));
  Received received;
  TRYV(receive(source, errand, scratch, received));
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
  TRY(Source build, pointed(first, said.url, credentials_of(job)));
  const bool vouched = is_vouched_for(job) || (!first.is_plain() && !said.sha256.empty());
  TRYV(check_way(build, vouched, job));
  return build;
}

Result<Signature> get_signature(const Source& first, const Build& build, const Errand& errand) {
  const auto& job = errand.job;
  const auto& said = build.said.signature;
  if (said.find('\n') != said.npos) return parse_signature(said);
  auto source = said.empty() ? beside(build.source, ".minisig") : pointed(first, said, credentials_of(job));
  if (!source) return std::unexpected(std::move(source.error()));
  auto text = text_of(*source, errand, kLargestSignature);
  if (!text && text.error().kind == ErrorKind::not_found) {
    return fail(ErrorKind::verify, "not signed: " + text.error().text + " (the app has trusted_keys)");
  }
  if (!text) return std::unexpected(std::move(text.error()));
  auto signature = parse_signature(*text);
  if (!signature) return std::unexpected(std::move(signature.error()).in(source->shown));
  return signature;
}

// A server that has none says so; whatever else it says is no reason to do without.
Result<std::string> digest_beside(const Source& build, const Errand& errand) {
  const Source source = beside(build, ".sha256");
  const auto text = text_of(source, errand, kLargestDigestFile);
  if (!text && text.error().kind == ErrorKind::not_found) return std::string();
  if (!text) return std::unexpected(text.error());
  const auto digest = parse_digest_file(*text);
  if (!digest) return refused(source, "it has no digest as sha256sum writes it");
  return *digest;
}

Result<> gather(const Source& first, Build& build, const Errand& errand) {
  if (!errand.job.trusted_keys.empty()) {
    TRY(build.signature, get_signature(first, build, errand));
  } else if (errand.job.sha256.empty() && build.said.sha256.empty()) {
    TRY(build.sha256, digest_beside(build.source, errand));
  }
  return {};
}

// Whether a digest that is said before the build is fetched is that of a build which is known. What goes wrong with the
// file that may say it is seen once it is needed.
Result<> recognise(const Source& first, Build& build, const Errand& errand) {
  const auto& job = errand.job;
  if (job.known.empty()) return {};
  auto digest = job.sha256.empty() ? build.said.sha256 : job.sha256;
  if (!build.said.sha256.empty() && build.said.sha256 != digest) return {};
  if (digest.empty() && job.trusted_keys.empty()) {
    auto beside = digest_beside(build.source, errand);
    if (!beside && beside.error().kind == ErrorKind::aborted) return std::unexpected(std::move(beside.error()));
    digest = beside.value_or("");
  }
  build.known = known_as(job, digest, build.source.basename);
  if (build.known == 0 || !build.said.version.empty()) return {};
  Pointer said;
  said.version = job.known[build.known - 1].version;
  return check_version(first, said, job);
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

Result<Build> packed_build(const wire::FetchJob& job) {
  Build build;
  TRY(build.source, parse_source(job.url));
  build.is_folder = true;
  return build;
}

Result<Build> get_build(const Errand& errand, Scratch& scratch) {
  const auto& job = errand.job;
  TRY(const Source first, parse_source(job.url, credentials_of(job)));
  TRYV(check_way(first, is_vouched_for(job), job));
  Build build;
  build.source = first;
  if (job.known_etag.empty()) TRYV(recognise(first, build, errand));
  if (build.known > 0) return build;
  Received received{job.known_etag, false};
  TRYV(receive(first, errand, scratch, received));
  build.etag = received.etag;
  build.unchanged = received.unchanged;
  if (build.unchanged) return build;
  TRY(auto pointer, pointer_in(scratch, first));
  if (!pointer) {
    TRY(const auto head, scratch.head(kFormatBytes));
    // A page that every URL leads to has better reasons to be refused than what was found beside it.
    if (detect_format(head)) TRYV(gather(first, build, errand));
    return build;
  }
  build.said = std::move(*pointer);
  TRY(build.source, follow(first, build.said, job));
  TRYV(recognise(first, build, errand));
  if (build.known > 0) return build;
  TRYV(gather(first, build, errand));
  TRYV(scratch.restart());
  Received of_build;
  TRYV(receive(build.source, errand, scratch, of_build));
  TRY(const auto further, pointer_in(scratch, build.source));
  if (further) return refused(build.source, "it points further, although it was pointed to itself");
  return build;
}

Result<Signed> verify_build(const Build& build, const wire::FetchJob& job, const PublicKeys& keys, const Scratch& scratch) {
  const auto got = scratch.sha256();
  for (const auto* expected : {&job.sha256, &build.said.sha256, &build.sha256}) TRYV(check_digest(*expected, got));
  Signed by;
  if (!build.signature) return by;
  if (build.signature->prehashed) {
    TRY(by.shown, verify(*build.signature, keys, scratch.blake2b()));
  } else {
    TRY(const auto bytes, scratch.mapped());
    TRY(by.shown, verify(*build.signature, keys, bytes.text()));
  }
  const auto is_its = [&](const PublicKey& key) { return key.id == build.signature->key_id; };
  const auto its = std::ranges::find_if(keys, is_its);
  if (std::ranges::count_if(keys, is_its) == 1) by.key = job.trusted_keys[static_cast<std::size_t>(its - keys.begin())];
  return by;
}

Result<wire::FetchDone> look_at(const Errand& errand) {
  const auto& job = errand.job;
  TRY(const Source first, parse_source(job.url, credentials_of(job)));
  TRYV(check_way(first, is_vouched_for(job), job));
  TRY(Scratch scratch, Scratch::in_memory(kLargestPointer));
  Received received{job.known_etag, false};
  wire::FetchDone done;
  // What is too large for a pointer is a build, of which its etag is enough.
  if (auto got = receive(first, errand, scratch, received); !got && !scratch.was_too_large()) {
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
