// TLS towards clients: certificates by SNI, tickets by keys that all workers share.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "wire/messages.hpp"

namespace fleet::proxy {

class CertificateTable;

// Application protocols in the order of our preference, as in the ALPN extension (RFC 7301 §3.1). A client that offers
// ALPN and none of them is refused.
inline constexpr std::string_view kApplicationProtocols = "\x02h2\x08http/1.1\x08http/1.0";

// Immutable; connections that began with it keep it alive.
class TlsContexts {
 public:
  struct Made {
    std::shared_ptr<const TlsContexts> contexts;     // null without certificates: then there is no https
    std::vector<wire::RefusedCertificate> refused;   // of these the former version of the file stays, if there is one
  };
  // Error: of all certificates none will do, or a ticket key is none. What has not changed is taken from `former` (may
  // be null).
  static Result<Made> make(const wire::Keys& keys, const TlsContexts* former);
  ~TlsContexts();

  SSL_CTX* first() const { return context_.get(); }  // of every connection: its certificate is chosen in the handshake
  const std::vector<std::string>& ticket_keys() const { return ticket_keys_; }
  wire::Keys keys() const;  // those in force

  // P13: may a connection that was made for `server_name` (empty: for none) carry requests for `host` (no port)?
  // Where not, the answer is 421.
  bool covers(std::string_view server_name, std::string_view host) const;

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  TlsContexts();
  static int present(SSL* ssl, void*);
  Result<> use(const wire::Keys& keys);

  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<const CertificateTable> certificates_;
  std::vector<std::string> ticket_keys_;
  std::int64_t ticket_keys_since_ = 0;
};

}  // namespace fleet::proxy
