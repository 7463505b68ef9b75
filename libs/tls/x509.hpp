// OpenSSL's certificates and keys: owned, read from PEM, read from. For sources, not for headers.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace fleet::tls {

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
  void operator()(AUTHORITY_INFO_ACCESS* p) const { AUTHORITY_INFO_ACCESS_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;
using Chain = std::vector<Owned<X509>>;

constexpr std::size_t kMaxChain = 10;  // certificates in one file

// The certificates of a text in their order; what else is in it is passed over. Errors: none, a damaged one, too many.
Result<Chain> read_chain(const std::string& pem);

// The first private key of a text. One with a passphrase is an error, not a prompt.
Result<Owned<EVP_PKEY>> read_key(const std::string& pem);

// The host names that a certificate is good for: lower case; wildcards as "*.example.com".
std::vector<std::string> dns_names(const X509* certificate);

std::string subject_of(X509* certificate);  // its common name, or all of its name
std::string issuer_of(X509* certificate);
std::int64_t seconds_of(const ASN1_TIME* time);  // since the epoch

}  // namespace fleet::tls
