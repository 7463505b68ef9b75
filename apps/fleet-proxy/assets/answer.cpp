#include "assets/answer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <utility>

#include "http/chars.hpp"

namespace fleet::proxy::assets {
namespace {

using std::string_view;

constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

constexpr std::pair<string_view, string_view> kTypes[] = {
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"wasm", "application/wasm"},
    {"xml", "application/xml"},
    {"pdf", "application/pdf"},
    {"txt", "text/plain; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
};

string_view field(const http::RequestHead& request, string_view name) {
  for (const auto& one : request.fields) {
    if (http::iequals(one.name, name)) return one.value;
  }
  return {};
}

// Weak comparison: there is no other of If-None-Match.
bool names(string_view list, string_view etag) {
  while (!list.empty()) {
    const auto comma = list.find(',');  // ours has none
    auto one = http::trim(list.substr(0, comma));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == "*" || one == etag) return true;
    list = comma == string_view::npos ? string_view() : list.substr(comma + 1);
  }
  return false;
}

// The exact date that we gave is recognised, which is what clients send back.
bool unchanged(const http::RequestHead& request, string_view etag, string_view date) {
  if (const auto tags = field(request, "if-none-match"); !tags.empty()) return names(tags, etag);
  return field(request, "if-modified-since") == date;
}

bool number(string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string etag_of(const FileFacts& file) {
  std::string tag = "\"";
  char digits[24];
  for (const std::uint64_t part : {static_cast<std::uint64_t>(file.modified), std::uint64_t{file.modified_ns}, file.size, file.inode}) {
    if (tag.size() > 1) tag += '-';
    tag.append(digits, std::to_chars(digits, digits + sizeof digits, part, 16).ptr);
  }
  return tag + '"';
}

std::string http_date(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm t{};
  if (::gmtime_r(&time, &t) == nullptr || t.tm_year < -1900 || t.tm_year > 9999 - 1900) return http_date(0);
  const auto two = [](int n) { return std::string(1, static_cast<char>('0' + n / 10)) + static_cast<char>('0' + n % 10); };
  const int year = t.tm_year + 1900;
  return std::string(kDays[static_cast<std::size_t>(t.tm_wday)]) + ", " + two(t.tm_mday) + " " +
         kMonths[static_cast<std::size_t>(t.tm_mon)] + " " + two(year / 100) + two(year % 100) + " " + two(t.tm_hour) + ":" +
         two(t.tm_min) + ":" + two(t.tm_sec) + " GMT";
}

string_view content_type_of(string_view name) {
  const auto base = name.substr(name.rfind('/') + 1);
  const auto dot = base.rfind('.');
  const auto extension = dot == string_view::npos ? string_view() : base.substr(dot + 1);
  const auto known = std::ranges::find_if(kTypes, [&](const auto& type) { return http::iequals(type.first, extension); });
  return known == std::end(kTypes) ? "application/octet-stream" : known->second;
}

Asked parse_range(string_view field, std::uint64_t size, Range& range) {
  constexpr string_view kUnit = "bytes=";
  if (!http::istarts_with(field, kUnit)) return Asked::whole;
  const auto spec = http::trim(field.substr(kUnit.size()));
  const auto dash = spec.find('-');
  if (dash == string_view::npos) return Asked::whole;
  const auto from = http::trim(spec.substr(0, dash)), to = http::trim(spec.substr(dash + 1));
  std::uint64_t first = 0, last = 0;
  if (from.empty()) {
    if (!number(to, last)) return Asked::whole;
    if (last == 0 || size == 0) return Asked::unsatisfiable;
    range = {size - std::min(last, size), size - 1};
    return Asked::part;
  }
  if (!number(from, first) || (!to.empty() && (!number(to, last) || last < first))) return Asked::whole;
  if (first >= size) return Asked::unsatisfiable;
  range = {first, to.empty() ? size - 1 : std::min(last, size - 1)};
  return Asked::part;
}

Reply reply(const http::RequestHead& request, const FileFacts& file, string_view name, std::int64_t now) {
  const auto etag = etag_of(file), modified = http_date(file.modified);
  Reply made;
  made.length = file.size;
  string_view line = "HTTP/1.1 200 OK\r\n";
  std::string more;
  Range range;
  const auto if_range = field(request, "if-range");
  if (unchanged(request, etag, modified)) {
    made.status = 304, made.length = 0;
    line = "HTTP/1.1 304 Not Modified\r\n";
  } else if (const auto ranged = field(request, "range");
             // A date does not tell two files of one second apart; then all of it is sent.
             !ranged.empty() && request.method == http::Method::get && (if_range.empty() || if_range == etag)) {
    switch (parse_range(ranged, file.size, range)) {
      case Asked::whole: break;
      case Asked::part:
        made.status = 206, made.first = range.first, made.length = range.last - range.first + 1;
        line = "HTTP/1.1 206 Partial Content\r\n";
        more = "Content-Range: bytes " + std::to_string(range.first) + "-" + std::to_string(range.last) + "/" +
               std::to_string(file.size) + "\r\n";
        break;
      case Asked::unsatisfiable:
        made.status = 416, made.length = 0;
        line = "HTTP/1.1 416 Range Not Satisfiable\r\n";
        more = "Content-Range: bytes */" + std::to_string(file.size) + "\r\n";
        break;
    }
  }
  made.head.append(line).append("Date: ").append(http_date(now)).append("\r\n").append(more);
  if (made.status != 304) made.head.append("Content-Length: ").append(std::to_string(made.length)).append("\r\n");
  if (made.status != 416) {
    // An hour: a file whose name has no hash may be another one in a release to come, whose application then answers.
    // Not in shared caches what was asked for with a password.
    const auto cache = field(request, "authorization").empty() ? "public" : "private";
    made.head.append("ETag: ").append(etag).append("\r\nLast-Modified: ").append(modified);
    made.head.append("\r\nCache-Control: ").append(cache).append(", max-age=3600\r\nAccept-Ranges: bytes\r\n");
    made.head.append("Content-Type: ").append(content_type_of(name)).append("\r\nX-Content-Type-Options: nosniff\r\n");
  }
  made.head += "Connection: close\r\n\r\n";
  if (request.method == http::Method::head) made.length = 0;
  return made;
}

}  // namespace fleet::proxy::assets
