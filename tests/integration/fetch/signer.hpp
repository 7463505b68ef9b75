// Signs as minisign does, both ways, with a key of its own.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace fleet::test {

class Signer {
 public:
  explicit Signer(std::string id = "12345678");

  std::string public_key() const;  // as in trusted_keys
  // A signature's file.
  std::string sign(std::string_view build, bool prehashed = true, const std::string& comment = "file:build") const;

 private:
  std::string seal(std::string_view message) const;

  std::string id_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace fleet::test
