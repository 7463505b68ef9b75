// What is answered with a file, or with part of it (RFC 9110 §13, §14). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/head.hpp"

namespace fleet::proxy::assets {

struct FileFacts {
  std::uint64_t size = 0, inode = 0;
  std::int64_t modified = 0;     // seconds since 1970
  std::uint32_t modified_ns = 0;
};

// With the inode: builds that are made to be reproducible give all their files the same time.
std::string etag_of(const FileFacts& file);
std::string http_date(std::int64_t seconds);  // IMF-fixdate

// By the name's extension.
std::string_view content_type_of(std::string_view name);

// Bytes first to last, both included.
struct Range {
  std::uint64_t first = 0, last = 0;
};
enum class Asked : std::uint8_t {
  whole,          // no range, more than one, or none that is understood
  part,
  unsatisfiable,  // nothing of it is in the file
};
// Of a Range field, for a file of `size`; `range` is set for `part`.
Asked parse_range(std::string_view field, std::uint64_t size, Range& range);

struct Reply {
  int status = 200;  // 200, 206, 304, 416
  std::uint64_t first = 0, length = 0;  // of the file's bytes that go out
  std::string head;
};
// `request` is a GET or HEAD; `now`: seconds since 1970.
Reply reply(const http::RequestHead& request, const FileFacts& file, std::string_view name, std::int64_t now);

}  // namespace fleet::proxy::assets
