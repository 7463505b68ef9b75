#include "certificates.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "os/atomic_file.hpp"

namespace fleet {
namespace {

constexpr std::size_t kMaxPem = 1 << 20;
constexpr long kSelfSignedDays = 825;
constexpr std::size_t kTicketKey = 80;

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
  return std::string(data, static_cast<std::size_t>(size));
}

int no_passphrase(char*, int, int, void*) { return 0; }

Result<wire::Certificate> load_pair(const TlsConfig& files) {
  wire::Certificate pair;
  TRY(pair.certificate_pem, os::read_file(files.certificate, kMaxPem));
  TRY(pair.key_pem, os::read_file(files.key, kMaxPem));
  const Owned<X509> leaf(PEM_read_bio_X509(memory(pair.certificate_pem).get(), nullptr, nullptr, nullptr));
  if (!leaf) return fail(ErrorKind::usage, files.certificate + ": holds no PEM certificate");
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(memory(pair.key_pem).get(), nullptr, no_passphrase, nullptr));
  if (!key) return fail(ErrorKind::usage, files.key + ": holds no PEM private key without a passphrase");
  if (X509_check_private_key(leaf.get(), key.get()) != 1) {
    return fail(ErrorKind::usage, files.key + ": does not belong to the first certificate in " + files.certificate);
  }
  if (X509_cmp_current_time(X509_get0_notAfter(leaf.get())) < 0) {
    return fail(ErrorKind::usage, files.certificate + ": has expired");
  }
  return pair;
}

bool add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<wire::Certificate> make_self_signed() {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  if (!key || !certificate) return fail("cannot make a key for localhost");
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kSelfSignedDays * 24 * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  const bool made = add_extension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
                    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
                    X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
  const Owned<BIO> certificate_pem(BIO_new(BIO_s_mem())), key_pem(BIO_new(BIO_s_mem()));
  if (!made || PEM_write_bio_X509(certificate_pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail("cannot make a certificate for localhost");
  }
  return wire::Certificate{contents(certificate_pem.get()), contents(key_pem.get())};
}

// Clients that trusted it once shall not be asked again, so it is kept.
Result<wire::Certificate> self_signed(const std::string& dir) {
  const TlsConfig files{dir + "/localhost.pem", dir + "/localhost.key"};
  if (auto kept = load_pair(files)) return kept;
  TRY(auto made, make_self_signed());
  TRYV(os::write_file(files.key, made.key_pem, 0400));
  TRYV(os::write_file(files.certificate, made.certificate_pem, 0644));
  return made;
}

}  // namespace

Result<wire::Keys> load_keys(const std::vector<TlsConfig>& configured, bool needed, const std::string& own_dir) {
  wire::Keys keys;
  for (const auto& files : configured) {
    TRY(auto pair, load_pair(files));
    keys.certificates.push_back(std::move(pair));
  }
  if (keys.certificates.empty() && needed) {
    TRY(auto own, self_signed(own_dir));
    keys.certificates.push_back(std::move(own));
    spdlog::warn("no [[tls]] is configured: https is served with a self-signed certificate for localhost file={}/localhost.pem",
                 own_dir);
  }
  std::string ticket_key(kTicketKey, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(ticket_key.data()), static_cast<int>(kTicketKey)) != 1) {
    return fail("cannot make a ticket key: the random generator failed");
  }
  keys.ticket_keys.push_back(std::move(ticket_key));
  return keys;
}

}  // namespace fleet
