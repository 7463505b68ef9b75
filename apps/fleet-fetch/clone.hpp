// A release made of another's files.
#pragma once

#include <string>

#include "core/result.hpp"

namespace fleet::fetch {

// Makes in the empty folder `to` the folders that are in `from`, and links its files into them; all folders become 0555
// and are on disk when this returns, but not their files, which were before. `from` is kept from being removed meanwhile. On an
// error something may be there.
Result<> clone_release(const std::string& from, int to);

}  // namespace fleet::fetch
