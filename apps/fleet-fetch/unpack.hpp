// Turns the scratch file into a release's files, beneath a folder.
#pragma once

#include <cstdint>
#include <string>

#include "core/result.hpp"
#include "format.hpp"
#include "link.hpp"
#include "policy.hpp"
#include "scratch.hpp"

namespace fleet::fetch {

struct Unpacked {
  Format format = Format::tar;
  std::uint64_t bytes = 0;
  std::uint32_t entries = 0;
};

// Archives are unpacked as they are, nothing stripped; a war, jar or executable becomes `<root>/<basename>`. On an
// error some files may be there; the caller removes the folder.
Result<Unpacked> unpack(const Scratch&, Format, const std::string& basename, const Limits&, int root, Progress&);

}  // namespace fleet::fetch
