#include "tls_contexts.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "http/chars.hpp"

namespace fleet::proxy {
namespace {

constexpr std::size_t kTicketKey = 80, kTicketName = 16, kTicketHmac = 32;

std::string openssl_error(std::string_view what) {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  return std::string(what) + ": " + (reason ? reason : "unknown error");
}

const TlsContexts& contexts_of(SSL_CTX* context) {
  return *static_cast<const TlsContexts*>(SSL_CTX_get_app_data(context));
}

int choose_certificate(SSL* ssl, int*, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_OK;
  SSL_CTX* current = SSL_get_SSL_CTX(ssl);
  SSL_CTX* wanted = contexts_of(current).choose(name);
  if (wanted != current) SSL_set_SSL_CTX(ssl, wanted);
  return SSL_TLSEXT_ERR_OK;
}

// The one place where application protocols are chosen: HTTP/1.1 is the only one so far.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned int in_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// RFC 5077 tickets: AES-256-CBC and HMAC-SHA256 by key name, so that any worker resumes what another began.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
               int encrypting) {
  const auto& keys = contexts_of(SSL_get_SSL_CTX(ssl)).ticket_keys();
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
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(key->data()));
  char digest[] = "sha256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes + kTicketName, kTicketHmac),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  const int ok =
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, bytes + kTicketName + kTicketHmac, iv, encrypting) == 1 &&
      EVP_MAC_CTX_set_params(mac, params) == 1;
  if (!ok) return -1;
  return encrypting || newest ? 1 : 2;  // 2: valid, and to be renewed with the newest key
}

Result<> configure(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_max_early_data(context, 0);
  static constexpr unsigned char kSessionContext[] = "fleet";
  const bool ok = SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1) == 1 &&
                  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
                  SSL_CTX_set_ciphersuites(
                      context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
                  SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1;
  if (!ok) return fail(openssl_error("cannot set up TLS"));
  SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return {};
}

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
std::unique_ptr<BIO, FreeBio> bio_of(const std::string& text) {
  return std::unique_ptr<BIO, FreeBio>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A key with a pass phrase is an error, not a prompt.
int no_pass_phrase(char*, int, int, void*) { return 0; }

Result<> load(SSL_CTX* context, const wire::Certificate& from) {
  const auto chain = bio_of(from.certificate_pem);
  X509* leaf = PEM_read_bio_X509_AUX(chain.get(), nullptr, no_pass_phrase, nullptr);
  if (!leaf) return fail(ErrorKind::usage, openssl_error("cannot read certificate"));
  const int used = SSL_CTX_use_certificate(context, leaf);
  X509_free(leaf);
  if (used != 1) return fail(ErrorKind::usage, openssl_error("cannot use certificate"));
  while (X509* more = PEM_read_bio_X509(chain.get(), nullptr, no_pass_phrase, nullptr)) {
    SSL_CTX_add0_chain_cert(context, more);
  }
  ERR_clear_error();
  const auto key_text = bio_of(from.key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_pass_phrase, nullptr);
  if (!key) return fail(ErrorKind::usage, openssl_error("cannot read key"));
  const int fits = SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  if (fits != 1 || SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorKind::usage, openssl_error("key does not belong to the certificate"));
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const TlsContexts>> TlsContexts::make(const wire::Keys& keys) {
  std::shared_ptr<TlsContexts> made(new TlsContexts());
  for (const auto& key : keys.ticket_keys) {
    if (key.size() != kTicketKey) return fail(ErrorKind::usage, "ticket key is not 80 bytes long");
  }
  made->ticket_keys_ = keys.ticket_keys;
  std::size_t place = 0;
  for (const auto& certificate : keys.certificates) {
    if (auto added = made->add(certificate); !added) {
      return std::unexpected(std::move(added).error().in("certificate " + std::to_string(place)));
    }
    ++place;
  }
  if (made->contexts_.empty()) return std::shared_ptr<const TlsContexts>();
  return std::shared_ptr<const TlsContexts>(std::move(made));
}

TlsContexts::~TlsContexts() {
  for (auto& key : ticket_keys_) OPENSSL_cleanse(key.data(), key.size());
}

Result<> TlsContexts::add(const wire::Certificate& certificate) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(openssl_error("cannot make a TLS context"));
  TRYV(configure(context.get()));
  TRYV(load(context.get(), certificate));
  SSL_CTX_set_app_data(context.get(), this);
  if (ticket_keys_.empty()) {
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context.get(), 0);
  } else {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context.get(), ticket_key);
  }
  index_names(context.get());
  contexts_.push_back(std::move(context));
  return {};
}

// The first certificate that has a name keeps it.
void TlsContexts::index_names(SSL_CTX* context) {
  X509* leaf = SSL_CTX_get0_certificate(context);
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                     static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    std::transform(text.begin(), text.end(), text.begin(), http::lower);
    by_name_.emplace(std::move(text), context);
  }
  GENERAL_NAMES_free(names);
}

SSL_CTX* TlsContexts::choose(std::string_view server_name) const {
  std::string name(server_name);
  std::transform(name.begin(), name.end(), name.begin(), http::lower);
  if (const auto exact = by_name_.find(name); exact != by_name_.end()) return exact->second;
  if (const auto dot = name.find('.'); dot != std::string::npos) {
    const auto wildcard = by_name_.find("*" + name.substr(dot));
    if (wildcard != by_name_.end()) return wildcard->second;
  }
  return first();
}

}  // namespace fleet::proxy
