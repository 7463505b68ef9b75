#include "resume.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace fleet::fetch {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

bool is_named(std::string_view line, std::string_view lower_case_name) {
  return line.size() > lower_case_name.size() && line[lower_case_name.size()] == ':' &&
         std::equal(lower_case_name.begin(), lower_case_name.end(), line.begin(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  return value;
}

}  // namespace

void Head::take(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    *this = {};
    const auto code = line.substr(std::min(line.find(' '), line.size()));
    status = static_cast<int>(number(trimmed(code).substr(0, 3)).value_or(0));
    return;
  }
  const std::array<std::pair<std::string_view, std::string*>, 5> wanted{{{"etag", &etag},
                                                                         {"last-modified", &last_modified},
                                                                         {"date", &date},
                                                                         {"content-range", &content_range},
                                                                         {"location", &location}}};
  for (const auto& [name, value] : wanted) {
    if (is_named(line, name)) *value = trimmed(line.substr(name.size() + 1));
  }
}

std::string validator_of(const Head& head) {
  if (head.etag.size() >= 2 && head.etag.size() <= 1024 && head.etag.starts_with('"') && head.etag.ends_with('"')) {
    return head.etag;
  }
  if (!head.etag.empty()) return {};  // weak: the bytes may differ although it is the same
  const auto changed = curl_getdate(head.last_modified.c_str(), nullptr);
  const auto answered = curl_getdate(head.date.c_str(), nullptr);
  return changed > 0 && answered > changed ? head.last_modified : std::string();
}

bool is_etag(std::string_view text) { return text.starts_with('"') || text.starts_with("W/\""); }

std::optional<ContentRange> parse_content_range(std::string_view value) {
  if (!value.starts_with("bytes ")) return std::nullopt;
  value.remove_prefix(6);
  const auto dash = value.find('-'), slash = value.find('/');
  if (dash == value.npos || slash == value.npos || slash < dash) return std::nullopt;
  const auto first = number(value.substr(0, dash));
  const auto last = number(value.substr(dash + 1, slash - dash - 1));
  const auto total = number(value.substr(slash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  if (!total && value.substr(slash + 1) != "*") return std::nullopt;
  if (total && *last >= *total) return std::nullopt;
  return ContentRange{*first, total};
}

std::string status_text(int status) {
  const auto words = [status] {
    switch (status) {
      case 400: return " Bad Request";
      case 401: return " Unauthorized";
      case 403: return " Forbidden";
      case 404: return " Not Found";
      case 407: return " Proxy Authentication Required";
      case 410: return " Gone";
      case 429: return " Too Many Requests";
      case 500: return " Internal Server Error";
      case 502: return " Bad Gateway";
      case 503: return " Service Unavailable";
      case 504: return " Gateway Timeout";
      default: return "";
    }
  };
  return std::to_string(status) + words();
}

}  // namespace fleet::fetch
