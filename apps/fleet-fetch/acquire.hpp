// Gets an artifact's bytes into the scratch file.
#pragma once

#include "core/result.hpp"
#include "link.hpp"
#include "scratch.hpp"
#include "source.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

constexpr int kRetries = 3;

// From the network, by libcurl (curl_global_init comes first). A transport fault is retried up to kRetries times,
// from where it stopped if the server gave a validator to tell that the artifact is still the same (RFC 9110 §13.1.5).
Result<> download(const Source&, const wire::FetchJob&, Scratch&, Progress&);

// From a local file. It is copied, so that what is hashed is what is unpacked, whoever writes to it meanwhile; one that
// changes while it is read is refused, since half of it may be missing.
Result<> copy_local(const Source&, Scratch&, Progress&);

}  // namespace fleet::fetch
