// Manifests, texts of a URL and digests' files from strangers; where they lead from a server is never a file, and never
// somewhere that our secrets go along to.
#include "trust/pointer.hpp"

#include "input.hpp"
#include "source.hpp"
#include "trust/version.hpp"

using namespace fleet::fetch;
using fleet::fuzz::require;

namespace {

bool is_plain(std::string_view text) {
  for (const unsigned char c : text) {
    if (c <= 0x20 || c >= 0x7f) return false;
  }
  return true;
}

void check_target(const Pointer& pointer) {
  const auto from = *parse_source("https://user:secret@ci.example/builds/latest", {"Bearer token", {}});
  const auto to = pointed(from, pointer.url, {"Bearer token", {}});
  if (!to) return;
  require(!to->local && !to->s3, "a server leads to servers only");
  require(to->url.starts_with("https://") || to->url.starts_with("http://"), "by http or https");
  require(to->origin == from.origin || (to->authorization.empty() && to->password != "secret"), "secrets stay at home");
  require(to->shown.find("secret") == std::string::npos || pointer.url.find("secret") != std::string::npos,
          "and are not shown");
}

}  // namespace

FLEET_FUZZ_TARGET(input) {
  const auto text = input.rest();
  if (const auto digest = parse_digest_file(text)) require(digest->size() == 64, "a digest is whole");
  const auto order = compare_versions(text.substr(0, text.size() / 2), text.substr(text.size() / 2));
  const auto reverse = compare_versions(text.substr(text.size() / 2), text.substr(0, text.size() / 2));
  require(order.has_value() == reverse.has_value(), "two versions have an order both ways");
  if (order) require((*order < 0) == (*reverse > 0) && (*order == 0) == (*reverse == 0), "and it is the same");
  const auto pointer = parse_pointer(text);
  if (!pointer) {
    require(pointer.error().text.find('\n') == std::string::npos, "a refusal is one line");
    return;
  }
  if (!*pointer) return;
  require(!(*pointer)->url.empty() && is_plain((*pointer)->url), "a URL is plain");
  require((*pointer)->sha256.empty() || (*pointer)->sha256.size() == 64, "a digest is whole");
  require(is_plain((*pointer)->version), "a version is plain");
  check_target(**pointer);
}
