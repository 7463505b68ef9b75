// Signatures' files and public keys from strangers: nothing that did not come from the key's owner is taken. The first
// line is a key, the rest a signature; both are parsed, and what was signed is never these few bytes.
#include "trust/minisign.hpp"

#include "input.hpp"
#include "trust/base64.hpp"

using namespace fleet::fetch;
using fleet::fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto key = parse_public_key(input.line());
  if (key) require(key->id.size() == 8 && key->key.size() == 32, "a key is whole");
  const auto signature = parse_signature(input.rest());
  if (!signature) {
    require(signature.error().text.find('\n') == std::string::npos, "a refusal is one line");
    return;
  }
  require(signature->key_id.size() == 8 && signature->of_build.size() == 64 && signature->of_comment.size() == 64,
          "a signature is whole");
  require(signature->trusted_comment.find('\n') == std::string::npos, "a comment is one line");
  const auto own = *parse_public_key("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
  const auto by = verify(*signature, key ? std::vector{own, *key} : std::vector{own}, "nobody has signed this");
  if (by) require(key && key->id == signature->key_id, "only what the given key signed is taken");
}
