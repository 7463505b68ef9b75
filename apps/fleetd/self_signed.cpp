#include "self_signed.hpp"

#include <openssl/pem.h>
#include <openssl/rand.h>

#include "os/atomic_file.hpp"
#include "tls/x509.hpp"

namespace fleet {
namespace {

constexpr long kDays = 825;

struct FreeExtension {
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

bool add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, FreeExtension> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<tls::Pair> make() {
  const tls::Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const tls::Owned<X509> certificate(X509_new());
  if (!key || !certificate) return fail("cannot make a key for localhost");
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDays * 24 * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  const bool made = add_extension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
                    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
                    X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
  const tls::Owned<BIO> certificate_pem(BIO_new(BIO_s_mem())), key_pem(BIO_new(BIO_s_mem()));
  if (!made || PEM_write_bio_X509(certificate_pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail("cannot make a certificate for localhost");
  }
  return tls::Pair{contents(certificate_pem.get()), contents(key_pem.get())};
}

}  // namespace

Result<tls::Loaded> self_signed(const std::string& dir, std::int64_t now) {
  const TlsConfig files{dir + "/localhost.pem", dir + "/localhost.key"};
  const auto read = [&] { return tls::load(files, tls::Roots::of(""), now, tls::UnreadableKey::error); };
  if (auto kept = read()) return kept;
  TRY(const auto made, make());
  TRYV(os::write_file(files.key, made.key_pem, 0400));
  TRYV(os::write_file(files.certificate, made.certificate_pem, 0644));
  return read();
}

}  // namespace fleet
