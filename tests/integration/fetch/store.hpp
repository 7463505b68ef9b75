// What a folder holds, to be compared with what it held before.
#pragma once

#include <map>
#include <string>

namespace fleet::test {

// By path: kind, mode, and the contents' digest or where a link leads. Times of folders are left out.
std::map<std::string, std::string> contents_of(const std::string& folder);

}  // namespace fleet::test
