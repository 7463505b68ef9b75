// TLS towards clients: certificates by SNI, tickets by keys that all workers share.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.hpp"
#include "wire/messages.hpp"

namespace fleet::proxy {

// Immutable; connections that began with it keep it alive.
class TlsContexts {
 public:
  // Null without certificates: then there is no https. Errors name the certificate by its place, and never quote a key.
  static Result<std::shared_ptr<const TlsContexts>> make(const wire::Keys& keys);
  ~TlsContexts();

  // By server name: exact, then wildcard, then the first certificate.
  SSL_CTX* choose(std::string_view server_name) const;
  SSL_CTX* first() const { return contexts_.front().get(); }
  const std::vector<std::string>& ticket_keys() const { return ticket_keys_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  using ContextPtr = std::unique_ptr<SSL_CTX, Free>;

  TlsContexts() = default;
  Result<> add(const wire::Certificate& certificate);
  void index_names(SSL_CTX* context);

  std::vector<ContextPtr> contexts_;
  std::unordered_map<std::string, SSL_CTX*> by_name_;  // lower case; wildcards as "*.example.com"
  std::vector<std::string> ticket_keys_;
};

}  // namespace fleet::proxy
