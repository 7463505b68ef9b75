// When a download that was cut may be taken up where it stopped. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleet::fetch {

// The header fields of one answer that matter to a fetch.
struct Head {
  int status = 0;
  std::string etag, last_modified, date, content_range, location;

  // Takes one header line as received; a status line begins a new head.
  void take(std::string_view line);
};

// What proves by If-Range that the artifact is still the same: a strong ETag, else a Last-Modified that is a second
// older than the answer (RFC 9110 §8.8.2.2, §13.1.5). Empty: nothing does, so begin anew.
std::string validator_of(const Head&);

// An entity tag, weak or strong, and not a date.
bool is_etag(std::string_view);

// "bytes 100-199/200", or with "*" for an unknown total.
struct ContentRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view value);

// "404 Not Found"; the words are ours, the server's may be anything.
std::string status_text(int status);

}  // namespace fleet::fetch
