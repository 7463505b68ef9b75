#include "encryption/tls_contexts.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <cstring>

#include "encryption/certificate_table.hpp"

namespace fleet::proxy {
namespace {

constexpr std::size_t kTicketKey = 80, kTicketName = 16, kTicketHmac = 32;
constexpr long kTicketLife = 12 * 3600;  // seconds

std::string openssl_error(std::string_view what) {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return std::string(what) + ": " + (reason ? reason : "unknown error");
}

const TlsContexts& contexts_of(SSL* ssl) {
  return *static_cast<const TlsContexts*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

// The certificate is chosen by present(); this has OpenSSL keep the name, in sessions too.
int accept_server_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned int in_size, void*) {
  unsigned char* chosen = nullptr;
  const auto* ours = reinterpret_cast<const unsigned char*>(kApplicationProtocols.data());
  const auto result = SSL_select_next_proto(&chosen, out_size, ours, static_cast<unsigned>(kApplicationProtocols.size()),
                                            in, in_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// RFC 5077 tickets: AES-256-CBC and HMAC-SHA256 by key name, so that any worker resumes what another began.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
               int encrypting) {
  const auto& keys = contexts_of(ssl).ticket_keys();
  const std::string* key = nullptr;
  bool newest = true;
  if (encrypting) {
    key = &keys.front();
    std::memcpy(name, key->data(), kTicketName);
    if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) <= 0) return -1;
  } else {
    for (const auto& candidate : keys) {
      if (std::memcmp(name, candidate.data(), kTicketName) == 0) {
        key = &candidate;
        break;
      }
      newest = false;
    }
    if (!key) return 0;
  }
  static const EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);  // else sought each time
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(key->data()));
  char digest[] = "sha256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes + kTicketName, kTicketHmac),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  const int ok =
      EVP_CipherInit_ex(cipher, aes, nullptr, bytes + kTicketName + kTicketHmac, iv, encrypting) == 1 &&
      EVP_MAC_CTX_set_params(mac, params) == 1;
  if (!ok) return -1;
  return encrypting || newest ? 1 : 2;  // 2: valid, and to be renewed with the newest key
}

// Mozilla's intermediate profile, what is cheapest for both sides first.
Result<> configure(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                       SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, kTicketLife);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_max_early_data(context, 0);
  static constexpr unsigned char kSessionContext[] = "fleet";
  const bool ok =
      SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1) == 1 &&
      SSL_CTX_set_cipher_list(context,
                              "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1 &&
      SSL_CTX_set_ciphersuites(context,
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
      SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
  if (!ok) return fail(openssl_error("cannot set up TLS"));
  SSL_CTX_set_tlsext_servername_callback(context, accept_server_name);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return {};
}

bool give(SSL* ssl, const Leaf& leaf) {
  return SSL_use_cert_and_key(ssl, leaf.certificate(), leaf.key(), leaf.above(), 1) == 1;
}

Result<LeafPtr> read(const wire::Certificate& source, SSL* trial) {
  TRY(auto leaf, Leaf::read(source));
  if (!give(trial, *leaf)) return fail(ErrorKind::usage, openssl_error("cannot use certificate"));
  return leaf;
}

}  // namespace

TlsContexts::TlsContexts() : context_(SSL_CTX_new(TLS_server_method())) {
  if (!context_) throw std::bad_alloc();
  SSL_CTX_set_app_data(context_.get(), this);
}

TlsContexts::~TlsContexts() {
  for (auto& key : ticket_keys_) OPENSSL_cleanse(key.data(), key.size());
}

Result<TlsContexts::Made> TlsContexts::make(const wire::Keys& keys, const TlsContexts* former) {
  for (const auto& key : keys.ticket_keys) {
    if (key.size() != kTicketKey) return fail(ErrorKind::usage, "ticket key is not 80 bytes long");
  }
  std::shared_ptr<TlsContexts> made(new TlsContexts());
  TRYV(configure(made->context_.get()));
  const std::unique_ptr<SSL, decltype(&SSL_free)> trial(SSL_new(made->context_.get()), SSL_free);
  std::vector<LeafPtr> leaves;
  std::vector<wire::RefusedCertificate> refused;
  for (const auto& source : keys.certificates) {
    const auto earlier = former != nullptr ? former->certificates_->of_file(source.file) : nullptr;
    if (earlier && earlier->source() == source) {
      leaves.push_back(earlier);
    } else if (auto leaf = read(source, trial.get())) {
      leaves.push_back(std::move(*leaf));
    } else {
      refused.push_back({source.file, leaf.error().text});
      if (earlier && !source.file.empty()) leaves.push_back(earlier);
    }
  }
  if (leaves.empty() && !refused.empty()) return fail(ErrorKind::usage, refused.front().file + ": " + refused.front().error);
  if (leaves.empty()) return Made{};
  made->certificates_ = std::make_unique<CertificateTable>(std::move(leaves));
  TRYV(made->use(keys));
  return Made{std::move(made), std::move(refused)};
}

Result<> TlsContexts::use(const wire::Keys& keys) {
  for (const auto* leaf : certificates_->standard()) {
    if (SSL_CTX_use_cert_and_key(context_.get(), leaf->certificate(), leaf->key(), leaf->above(), 1) != 1) {
      return fail(ErrorKind::usage, openssl_error("cannot use certificate"));
    }
  }
  SSL_CTX_set_cert_cb(context_.get(), present, nullptr);
  ticket_keys_ = keys.ticket_keys;
  ticket_keys_since_ = keys.ticket_keys_since;
  if (ticket_keys_.empty()) {
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context_.get(), 0);
  } else {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context_.get(), ticket_key);
  }
  return {};
}

// Called in full handshakes, once the client's offers are known. The connection has the default's certificates already.
int TlsContexts::present(SSL* ssl, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return 1;
  const auto& certificates = *contexts_of(ssl).certificates_;
  const auto& chosen = certificates.choose(name);
  if (&chosen == &certificates.standard()) return 1;
  SSL_certs_clear(ssl);
  for (const auto* leaf : chosen) {
    if (!give(ssl, *leaf)) return 0;
  }
  return 1;
}

wire::Keys TlsContexts::keys() const {
  wire::Keys keys;
  for (const auto& leaf : certificates_->leaves()) keys.certificates.push_back(leaf->source());
  keys.ticket_keys = ticket_keys_;
  keys.ticket_keys_since = ticket_keys_since_;
  return keys;
}

bool TlsContexts::covers(std::string_view server_name, std::string_view host) const {
  return certificates_->covers(server_name, host);
}

}  // namespace fleet::proxy
