#include "trust/pointer.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "text.hpp"
#include "trust/minisign.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kDeepest = 16, kLongestUrl = 8192, kLongestVersion = 128, kDigest = 64;
constexpr std::string_view kSpace = " \t\r\n";

std::unexpected<Error> refused(const std::string& why) { return fail(ErrorKind::verify, "manifest refused: " + why); }

std::string_view trimmed(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// Takes the strings of the outermost object, and nothing else. A name that comes twice is refused: whoever signed or
// looked at the manifest may have seen the other.
class ManifestReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit ManifestReader(std::map<std::string, std::string*> wanted) : wanted_(std::move(wanted)) {}

  std::string why;

  bool string(string_t& value) override {
    if (depth_ != 1) return true;
    const auto field = wanted_.find(name_);
    if (field == wanted_.end()) return true;
    *field->second = value;
    return !value.empty() || stop(quoted(name_) + " is empty");
  }
  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    name_ = name;
    return seen_.insert(name).second || stop(quoted(name) + " comes twice");
  }
  bool start_object(std::size_t) override { return other("an object") && enter(); }
  bool start_array(std::size_t) override { return other("a list") && enter(); }
  bool end_object() override { return --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool null() override { return other("null"); }
  bool boolean(bool) override { return other("a boolean"); }
  bool number_integer(number_integer_t) override { return other("a number"); }
  bool number_unsigned(number_unsigned_t) override { return other("a number"); }
  bool number_float(number_float_t, const string_t&) override { return other("a number"); }
  bool binary(binary_t&) override { return other("bytes"); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    return stop("not JSON, at byte " + std::to_string(at));
  }

 private:
  static std::string quoted(const std::string& name) { return '"' + printable(name) + '"'; }
  bool stop(std::string because) {
    if (why.empty()) why = std::move(because);
    return false;
  }
  bool enter() { return ++depth_ <= kDeepest || stop("nested too deeply"); }
  bool other(const char* what) {
    if (depth_ != 1 || !wanted_.contains(name_)) return true;
    return stop(quoted(name_) + " is " + what + ", not a string");
  }

  std::map<std::string, std::string*> wanted_;
  std::set<std::string> seen_;
  std::string name_;
  std::size_t depth_ = 0;
};

bool is_digest(std::string_view text) {
  return text.size() == kDigest && text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

std::string lower_case(std::string_view hex) {
  std::string out(hex);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

Result<std::optional<Pointer>> parse_manifest(std::string_view json) {
  Pointer out;
  ManifestReader reader(
      {{"url", &out.url}, {"sha256", &out.sha256}, {"version", &out.version}, {"signature", &out.signature}});
  if (!nlohmann::json::sax_parse(json, &reader)) return refused(reader.why);
  if (out.url.empty()) return refused("it has no \"url\"");
  if (out.url.size() > kLongestUrl || !is_plain(out.url)) return refused("\"url\" is no URL");
  if (!out.sha256.empty() && !is_digest(out.sha256)) return refused("\"sha256\" is not 64 hex digits");
  if (out.version.size() > kLongestVersion || !is_plain(out.version)) {
    return refused("\"version\" is longer than 128 bytes, or has other characters than those of ASCII");
  }
  if (out.signature.size() > kLargestSignature) return refused("\"signature\" is too long");
  out.sha256 = lower_case(out.sha256);
  return out;
}

}  // namespace

Result<std::optional<Pointer>> parse_pointer(std::string_view content) {
  if (content.size() > kLargestPointer) return std::nullopt;
  const auto text = trimmed(content);
  if (text.starts_with('{')) return parse_manifest(text);
  const bool is_url = std::ranges::any_of(std::to_array<std::string_view>({"https://", "http://", "s3://", "file:///"}),
                                          [&](auto scheme) { return text.starts_with(scheme); });
  if (!is_url) return std::nullopt;
  if (text.size() > kLongestUrl || !is_plain(text)) {
    return fail(ErrorKind::verify, "it begins like a URL, but is more than that (a text that points to a build has nothing else)");
  }
  Pointer out;
  out.url = text;
  return out;
}

std::optional<std::string> parse_digest_file(std::string_view content) {
  const auto text = trimmed(content);
  const auto digest = text.substr(0, text.find_first_of(kSpace));
  const bool is_one_line = text.find('\n') == text.npos;
  return is_digest(digest) && is_one_line ? std::optional(lower_case(digest)) : std::nullopt;
}

}  // namespace fleet::fetch
