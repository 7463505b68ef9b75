#include "tls/roots.hpp"

#include <openssl/err.h>

#include <cstdlib>
#include <filesystem>

#include "tls/x509.hpp"

namespace fleet::tls {
namespace {

bool holds_something(const char* variable, const char* otherwise) {
  const char* path = std::getenv(variable);
  std::error_code error;
  const bool empty = std::filesystem::is_empty(path == nullptr ? otherwise : path, error);
  return !error && !empty;
}

}  // namespace

void Roots::FreeStore::operator()(x509_store_st* store) const { X509_STORE_free(store); }

Roots::Roots() : store_(X509_STORE_new()) {}

Roots Roots::system() {
  Roots roots;
  X509_STORE_set_default_paths(roots.store_.get());
  ERR_clear_error();
  roots.none_ = !holds_something(X509_get_default_cert_file_env(), X509_get_default_cert_file()) &&
                !holds_something(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  return roots;
}

Roots Roots::of(const std::string& pem) {
  Roots roots;
  const auto chain = read_chain(pem);
  if (!chain) return roots;
  for (const auto& certificate : *chain) X509_STORE_add_cert(roots.store_.get(), certificate.get());
  roots.none_ = false;
  return roots;
}

bool Roots::signed_it(x509_st* certificate) const {
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), store_.get(), certificate, nullptr) != 1) return false;
  X509* found = nullptr;
  const int known = X509_STORE_CTX_get1_issuer(&found, context.get(), certificate);
  const Owned<X509> issuer(found);
  const bool by_it = known == 1 && X509_verify(certificate, X509_get0_pubkey(issuer.get())) == 1;
  ERR_clear_error();
  return by_it;
}

}  // namespace fleet::tls
