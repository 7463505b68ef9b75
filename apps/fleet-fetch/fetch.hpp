// One job, from its URL to the files of a release, as far as strangers have a say in it.
#pragma once

#include <optional>

#include "core/result.hpp"
#include "link.hpp"
#include "local_files.hpp"
#include "scratch.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

struct Prepared {
  int root = -1;  // where to unpack to: an empty folder, which is the current one. Borrowed; -1: look only
  LocalFiles& files;
  std::optional<Scratch> packed = {};  // the job's URL, where it is a local folder
};

// On an error `progress` tells in which phase it came up, and some files may be there. A build that is known
// (FetchDone::reused) is not unpacked.
Result<wire::FetchDone> fetch(const wire::FetchJob&, Prepared, Progress&);

}  // namespace fleet::fetch
