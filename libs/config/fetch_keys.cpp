#include "config/fetch_keys.hpp"

#include <algorithm>

#include "config/values.hpp"

namespace fleet::config {
namespace {

using namespace std::chrono_literals;

// 42 bytes in base64: "Ed", the key's id, the key.
constexpr std::size_t kSigningKeyLength = 56;

bool is_base64(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

std::string accept_signing_key(std::string& text, const Environment&) {
  const bool is_one = text.size() == kSigningKeyLength && text.starts_with("RW") && text[2] >= 'Q' && text[2] <= 'T' &&
                      is_base64(text);
  return is_one ? "" : quote(text) + " is not a public key of minisign (the second line of its file, 56 characters)";
}

bool has_scheme(std::string_view text, std::initializer_list<std::string_view> schemes) {
  return std::ranges::any_of(schemes, [&](auto scheme) { return text.size() > scheme.size() && text.starts_with(scheme); });
}

bool has_space_or_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

std::string accept_source(std::string& text, const Environment&) {
  const bool is_one = has_scheme(text, {"https://", "http://", "s3://", "file:///", "/"}) && !has_space_or_control(text);
  return is_one ? "" : quote(text) + " is not an https, http, s3 or file URL, nor an absolute path";
}

std::string accept_endpoint(std::string& text, const Environment&) {
  if (text.ends_with('/')) text.pop_back();
  const bool is_one = has_scheme(text, {"https://", "http://"}) && !has_space_or_control(text) &&
                      text.find_first_of("/?#@", text.find("//") + 2) == text.npos;
  return is_one ? "" : quote(text) + " is not like \"https://HOST:PORT\"";
}

std::string accept_region(std::string& text, const Environment&) {
  const bool is_one = !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  return is_one ? "" : quote(text) + " is not a region (a-z, 0-9 and -)";
}

const Text kSigningKey{"string", "public keys of minisign, \"RW...\"", accept_signing_key};
const Text kSource{"string", "an https, http, s3 or file URL, or an absolute path", accept_source};
const Text kEndpoint{"string", "\"https://HOST:PORT\"", accept_endpoint};
const Text kRegion{"string", "", accept_region};

}  // namespace

const Keys<FetchConfig>& build_keys() {
  static const Keys<FetchConfig> keys{
      key("source", &FetchConfig::source, kSource,
          "Where the app's last build is: what fleetctl deploy --latest deploys. A build itself, or what points to one: a "
          "JSON object of url, sha256, version and signature (all but url may be missing), or a text of nothing but a URL."),
      key("poll", &FetchConfig::poll, Duration{1s, 24h},
          "So often, give or take a tenth, source is looked at, and deployed when it has changed. A server that fails is "
          "asked less and less often, each hour at last. Nothing is polled while a deploy is under way.")
          .otherwise("never"),
      key("trusted_keys", &FetchConfig::trusted_keys, ListOf<Text>{kSigningKey, 0, 16},
          "A build is deployed only when one of these keys has signed it. The signature is the one in the manifest, else "
          "the file beside the build, URL.minisig."),
      key("allow_insecure", &FetchConfig::allow_insecure, Boolean{},
          "Builds may come over plain http although nothing vouches for them, neither a digest (deploy --sha256; from a "
          "manifest that came over https) nor a signature."),
      key("unpack", &FetchConfig::unpack, Boolean{}, "A war or jar is unpacked, like a zip, in place of being kept whole."),
  };
  return keys;
}

const Keys<FetchConfig>& fetch_keys() {
  static const Keys<FetchConfig> keys{
      key("max_download", &FetchConfig::max_download, Size{}, "A build may have so many bytes."),
      key("max_unpacked", &FetchConfig::max_unpacked, Size{}, "So many once it is unpacked."),
      key("max_entries", &FetchConfig::max_entries, Integer{1, 10'000'000}, "So many files and folders."),
      key("max_depth", &FetchConfig::max_depth, Integer{1, 1000}, "So many folders within each other."),
      key("max_ratio", &FetchConfig::max_ratio, Integer{1, 1'000'000},
          "Of more than 10 MiB unpacked, so many times the size that was downloaded."),
      key("timeout", &FetchConfig::timeout, Duration{1s, 24h}, "For all of it."),
      key("stall_timeout", &FetchConfig::stall_timeout, Duration{1s, 1h}, "A server that sends nothing for so long is given up."),
      key("authorization_file", &FetchConfig::authorization_file, kFile,
          "A file with the value of an Authorization header, \"Bearer ...\" say, for the origin of the build's URL and no "
          "other. Read afresh for each fetch. It must be root's or fleetd's own, and not open to others."),
      key("netrc", &FetchConfig::netrc, kFile,
          "A file of logins by host, as netrc(5) has them, for http and https URLs that say none themselves. Read afresh for "
          "each fetch. It must be root's or fleetd's own, and not open to others."),
      key("s3_endpoint", &FetchConfig::s3_endpoint, kEndpoint,
          "Where s3://BUCKET/KEY is: ENDPOINT/BUCKET/KEY.")
          .otherwise("https://s3.REGION.amazonaws.com"),
      key("s3_region", &FetchConfig::s3_region, kRegion, "Part of what is signed."),
      key("s3_credentials_file", &FetchConfig::s3_credentials_file, kFile,
          "A file with lines aws_access_key_id = ID, aws_secret_access_key = SECRET and perhaps aws_session_token = TOKEN. "
          "Read afresh for each fetch. It must be root's or fleetd's own, and not open to others.")
          .otherwise("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in fleetd's environment"),
  };
  return keys;
}

void check_fetch(const Node& app_table, const FetchConfig& fetch, const Context& context) {
  if (fetch.poll.count() == 0 || !fetch.source.empty() || app_table.find("source") != nullptr) return;
  context.in("poll").problem(app_table.where("poll"), "there is no source to poll");
}

}  // namespace fleet::config
