// Signatures as minisign makes them: Ed25519 over the bytes themselves ("Ed") or over their BLAKE2b-512 ("ED"), and a
// second one over the first and the trusted comment. No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace fleet::fetch {

constexpr std::size_t kLargestSignature = 8192;  // bytes of a signature's file

struct PublicKey {
  std::string id, key;  // 8 bytes, 32 bytes
};

// The second line of a public key's file. Errors: usage.
Result<PublicKey> parse_public_key(std::string_view base64);

struct Signature {
  bool prehashed = false;
  std::string key_id, of_build, trusted_comment, of_comment;
};

// A signature's file of four lines. Errors: verify.
Result<Signature> parse_signature(std::string_view file);

// `signed_bytes`: of the build, or if prehashed its BLAKE2b-512. Gives back who signed: the key's id as minisign shows
// it, and the trusted comment. Errors: verify; also when none of `keys` has the signature's id.
Result<std::string> verify(const Signature&, const std::vector<PublicKey>& keys, std::string_view signed_bytes);

}  // namespace fleet::fetch
