// Whether a build need not be fetched, since a release that is kept has come of the same bytes in the same way. No I/O.
#pragma once

#include <cstdint>
#include <string>

#include "wire/messages.hpp"

namespace fleet::fetch {

// How a build is laid out in its release; see wire::FetchDone.
std::string layout_of_file(const std::string& name);
inline constexpr auto kLayoutTree = "tree";

// Which of job.known would come of bytes with this digest under this name, from 1 on; 0: none.
std::uint32_t known_as(const wire::FetchJob& job, const std::string& sha256, const std::string& basename);

// What is said of the one with this number.
wire::FetchDone done_as_known(const wire::FetchJob& job, std::uint32_t number);

}  // namespace fleet::fetch
