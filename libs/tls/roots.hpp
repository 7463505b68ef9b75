// The certificates that clients know by themselves.
#pragma once

#include <memory>
#include <string>

extern "C" {
struct x509_st;
struct x509_store_st;
}

namespace fleet::tls {

class Roots {
 public:
  // Those of the system (on Debian /etc/ssl/certs), or where SSL_CERT_FILE and SSL_CERT_DIR say. They are read when
  // asked for, and kept.
  static Roots system();
  static Roots of(const std::string& pem);

  bool none() const { return none_; }
  // Whether one of them has signed this certificate.
  bool signed_it(x509_st* certificate) const;

 private:
  struct FreeStore {
    void operator()(x509_store_st* store) const;
  };
  Roots();
  std::unique_ptr<x509_store_st, FreeStore> store_;
  bool none_ = true;
};

}  // namespace fleet::tls
