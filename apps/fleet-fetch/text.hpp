// Names that strangers chose, made fit for an error message.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace fleet::fetch {

// Control bytes and bytes that are not UTF-8 become \xNN; cut at 200 bytes.
std::string printable(std::string_view foreign);

// "60 s", "1500 ms".
std::string spelled(std::chrono::milliseconds);

bool is_utf8(std::string_view bytes);

}  // namespace fleet::fetch
