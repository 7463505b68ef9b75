#include "support/certificates/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <map>
#include <memory>
#include <stdexcept>

namespace fleet::test {
namespace {

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> memory(const std::string& text) { return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Owned<EVP_PKEY> generate(const std::string& kind) {
  if (kind.starts_with("RSA ")) return Owned<EVP_PKEY>(EVP_RSA_gen(static_cast<unsigned>(std::stoul(kind.substr(4)))));
  if (kind == "Ed25519") return Owned<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  return Owned<EVP_PKEY>(EVP_EC_gen(kind.c_str()));
}

Owned<EVP_PKEY> read_key(const std::string& pem) {
  return Owned<EVP_PKEY>(PEM_read_bio_PrivateKey(memory(pem).get(), nullptr, nullptr, nullptr));
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) throw std::runtime_error("extension " + value);
}

}  // namespace

std::string make_key(const std::string& kind, unsigned number) {
  static std::map<std::pair<std::string, unsigned>, std::string> made;
  const bool kept = kind.starts_with("RSA");
  if (kept && made.contains({kind, number})) return made[{kind, number}];
  const auto key = generate(kind);
  if (!key) throw std::runtime_error("key " + kind);
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  auto pem = contents(out.get());
  if (kept) made[{kind, number}] = pem;
  return pem;
}

Issued issue(const Wanted& wanted) {
  static std::atomic<long> serial{1000};
  Issued issued;
  issued.key = wanted.key_pem.empty() ? make_key(wanted.key) : wanted.key_pem;
  const auto key = read_key(issued.key);
  const Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), wanted.from_days * 24L * 3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), wanted.until_days * 24L * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1, -1, 0);
  Owned<X509> parent;
  if (wanted.issuer != nullptr) {
    parent.reset(PEM_read_bio_X509(memory(wanted.issuer->certificate).get(), nullptr, nullptr, nullptr));
  }
  X509* issuer = parent ? parent.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  extend(certificate.get(), issuer, NID_basic_constraints, wanted.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  extend(certificate.get(), issuer, NID_subject_key_identifier, "hash");
  if (parent) extend(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  if (wanted.is_ca) extend(certificate.get(), issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  if (!wanted.is_ca && !wanted.usage.empty()) extend(certificate.get(), issuer, NID_ext_key_usage, wanted.usage);
  if (!wanted.issuer_address.empty()) {
    extend(certificate.get(), issuer, NID_info_access, "caIssuers;URI:" + wanted.issuer_address);
  }
  std::string names;
  for (const auto& host : wanted.hosts) names += (names.empty() ? "DNS:" : ",DNS:") + host;
  if (!names.empty()) extend(certificate.get(), issuer, NID_subject_alt_name, names);
  const auto signing = wanted.issuer != nullptr ? read_key(wanted.issuer->key) : read_key(issued.key);
  const bool own_hash = EVP_PKEY_get_base_id(signing.get()) == EVP_PKEY_ED25519;
  if (X509_sign(certificate.get(), signing.get(), own_hash ? nullptr : EVP_get_digestbyname(wanted.hash.c_str())) <= 0) {
    throw std::runtime_error("signature of " + wanted.name);
  }
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate.get());
  issued.certificate = contents(out.get());
  return issued;
}

Issued make_root(const std::string& name) { return issue({.name = name, .is_ca = true, .until_days = 3650}); }

Issued make_intermediate(const std::string& name, const Issued& issuer) {
  return issue({.name = name, .issuer = &issuer, .is_ca = true, .until_days = 1000});
}

Issued make_leaf(const std::string& host, const Issued& issuer, const std::string& key) {
  return issue({.name = host, .hosts = {host}, .key = key, .issuer = &issuer});
}

}  // namespace fleet::test
