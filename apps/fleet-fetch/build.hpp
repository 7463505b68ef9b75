// The build that a job's URL leads to, be it by a pointer: its bytes, and what vouches for them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "acquire.hpp"
#include "core/result.hpp"
#include "link.hpp"
#include "scratch.hpp"
#include "source.hpp"
#include "trust/minisign.hpp"
#include "trust/pointer.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

struct Build {
  Source source;
  bool is_folder = false;
  bool unchanged = false;  // the job's URL has the etag that was known; nothing was fetched
  std::string etag;        // of the job's URL
  Pointer said;            // what was found there; no url: the build itself
  std::string sha256;      // from the file beside the build, where nobody else says it
  std::optional<Signature> signature;
  std::uint32_t known = 0;  // which of the job's known builds it is, from 1 on; then nothing of it was fetched. 0: none
};

// What a fetch goes by, and its way to the world.
struct Errand {
  const wire::FetchJob& job;
  Progress& progress;
  LocalFiles& files;
};

using PublicKeys = std::vector<PublicKey>;
Result<PublicKeys> trusted_keys(const wire::FetchJob&);

// Refused before it is downloaded: what comes in the clear with nothing to vouch for it, what is not signed although it
// must be, what is of a lower version than the job's.
Result<Build> get_build(const Errand&, Scratch&);

// Of a local folder, which is packed already.
Result<Build> packed_build(const wire::FetchJob&);

// Who has signed a build; empty: nobody had to.
struct Signed {
  std::string shown, key;  // key: as in the job; empty: it may be one of several
};

// Whether the bytes are those that were vouched for. Errors: verify.
Result<Signed> verify_build(const Build&, const wire::FetchJob&, const PublicKeys&, const Scratch&);

// What the job's URL leads to now, without getting it.
Result<wire::FetchDone> look_at(const Errand&);

}  // namespace fleet::fetch
