// Gets an artifact's bytes into the scratch file.
#pragma once

#include "core/result.hpp"
#include "link.hpp"
#include "local_files.hpp"
#include "scratch.hpp"
#include "source.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

constexpr int kRetries = 3;

// What is known of a source, before and after it was asked.
struct Received {
  std::string etag;        // empty: nothing by which to ask whether it has changed. Set before: it is asked
  bool unchanged = false;  // it is as it was, and the scratch file has nothing of it
};

// From the network, by libcurl (curl_global_init comes first). A transport fault is retried up to kRetries times,
// from where it stopped if the server gave a validator to tell that the artifact is still the same (RFC 9110 §13.1.5).
// Errors: not_found when the server says that there is nothing, or nothing for us.
Result<> download(const Source&, const wire::FetchJob&, Scratch&, Progress&, Received&);

// From a local file. It is copied, so that what is hashed is what is unpacked, whoever writes to it meanwhile; one that
// changes while it is read is refused, since half of it may be missing. Errors: not_found.
Result<> copy_local(const Source&, LocalFiles&, Scratch&, Progress&, Received&);

// From a local folder, which is open: a tar of all below it, in the order of names and without times and owners, so that the same
// files have the same digest. Nothing is followed or left out.
Result<> pack_folder(const Source&, const os::Fd& folder, const wire::FetchJob&, Scratch&, Progress&);

}  // namespace fleet::fetch
