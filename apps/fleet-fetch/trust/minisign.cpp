#include "trust/minisign.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "text.hpp"
#include "trust/base64.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kId = 8, kKey = 32, kSeal = 64;
constexpr std::string_view kLegacy = "Ed", kPrehashed = "ED";
constexpr std::string_view kUntrusted = "untrusted comment:", kTrusted = "trusted comment: ";

std::unexpected<Error> refused(const std::string& why) { return fail(ErrorKind::verify, "signature refused: " + why); }

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

bool is_sealed(const PublicKey& key, std::string_view seal, std::string_view message) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> public_key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(key.key), key.key.size()), EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return public_key && context &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(seal), seal.size(), bytes(message), message.size()) == 1;
}

// As minisign does: a number, of which the first byte is the least.
std::string shown_id(std::string_view id) {
  std::string out;
  for (auto at = id.rbegin(); at != id.rend(); ++at) {
    const auto byte = static_cast<unsigned char>(*at);
    out += {"0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
  }
  return out;
}

std::string shown_comment(std::string comment) {
  std::ranges::replace(comment, '\t', ' ');  // minisign's own comment has tabs between its facts
  return printable(comment);
}

// The file's lines, if there are four and nothing more.
std::optional<std::array<std::string_view, 4>> four_lines(std::string_view file) {
  std::array<std::string_view, 4> out;
  for (auto& line : out) {
    if (file.empty()) return std::nullopt;
    const auto end = std::min(file.find('\n'), file.size());
    line = file.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    file.remove_prefix(std::min(end + 1, file.size()));
  }
  return file.find_first_not_of("\r\n") == file.npos ? std::optional(out) : std::nullopt;
}

}  // namespace

Result<PublicKey> parse_public_key(std::string_view base64) {
  const auto key = decode_base64(base64);
  if (!key || key->size() != kLegacy.size() + kId + kKey || !key->starts_with(kLegacy)) {
    return fail(ErrorKind::usage, "not a public key of minisign: " + printable(base64));
  }
  return PublicKey{key->substr(kLegacy.size(), kId), key->substr(kLegacy.size() + kId)};
}

Result<Signature> parse_signature(std::string_view file) {
  if (file.size() > kLargestSignature) return refused("larger than " + std::to_string(kLargestSignature) + " bytes");
  const auto lines = four_lines(file);
  if (!lines || !(*lines)[0].starts_with(kUntrusted) || !(*lines)[2].starts_with(kTrusted)) {
    return refused("it has not the four lines of minisign's (a page of the server in its place?)");
  }
  const auto first = decode_base64((*lines)[1]), second = decode_base64((*lines)[3]);
  if (!first || first->size() != kLegacy.size() + kId + kSeal || !second || second->size() != kSeal) {
    return refused("it is damaged");
  }
  Signature out;
  out.prehashed = first->starts_with(kPrehashed);
  if (!out.prehashed && !first->starts_with(kLegacy)) return refused("an algorithm that is neither Ed nor ED");
  out.key_id = first->substr(kLegacy.size(), kId);
  out.of_build = first->substr(kLegacy.size() + kId);
  out.trusted_comment = (*lines)[2].substr(kTrusted.size());
  out.of_comment = *second;
  return out;
}

Result<std::string> verify(const Signature& signature, const std::vector<PublicKey>& keys,
                           std::string_view signed_bytes) {
  bool is_known = false;
  for (const auto& key : keys) {
    if (key.id != signature.key_id) continue;
    is_known = true;
    if (!is_sealed(key, signature.of_build, signed_bytes)) continue;
    if (!is_sealed(key, signature.of_comment, signature.of_build + signature.trusted_comment)) {
      return refused("its trusted comment was changed");
    }
    return shown_id(key.id) + " (" + shown_comment(signature.trusted_comment) + ")";
  }
  if (is_known) return refused("it is not of this build (or the build was changed)");
  return refused("by the key " + shown_id(signature.key_id) + ", which is not in trusted_keys");
}

}  // namespace fleet::fetch
