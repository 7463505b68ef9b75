// Turns the scratch file into a release's files, beneath a folder.
#pragma once

#include <cstdint>
#include <string>

#include "core/result.hpp"
#include "format.hpp"
#include "link.hpp"
#include "scratch.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

struct Unpacked {
  Format format = Format::tar;
  std::uint64_t bytes = 0;
  std::uint32_t entries = 0;
  bool is_whole = false;  // one file, kept as it came
};

// Archives are unpacked as they are, nothing stripped; an executable becomes `<root>/<basename>`, and so does a war or
// jar unless the job says otherwise. On an error some files may be there; the caller removes the folder.
Result<Unpacked> unpack(const Scratch&, Format, const std::string& basename, const wire::FetchJob&, int root, Progress&);

}  // namespace fleet::fetch
