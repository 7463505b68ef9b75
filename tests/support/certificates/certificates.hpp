// Certificates made for a test: roots, intermediates, leaves, of any kind of key and any age.
#pragma once

#include <string>
#include <vector>

namespace fleet::test {

struct Issued {
  std::string certificate, key;  // PEM, of itself alone
  // Itself, then these.
  std::string with(const std::vector<Issued>& chain) const {
    std::string all = certificate;
    for (const auto& more : chain) all += more.certificate;
    return all;
  }
};

// "P-256", "P-384", "secp256k1", "Ed25519", "RSA 2048", "RSA 1024". RSA keys are made once in a program for each number.
std::string make_key(const std::string& kind, unsigned number = 0);

struct Wanted {
  std::string name;                // common name
  std::vector<std::string> hosts = {};  // DNS names of the subjectAltName
  std::string key = "P-256";
  const Issued* issuer = nullptr;  // null: itself
  bool is_ca = false;
  int from_days = -1, until_days = 30;  // from now
  std::string hash = "SHA256";
  std::string usage = "serverAuth";  // extended, of leaves; empty: none
  std::string issuer_address = {};   // AIA caIssuers
  std::string key_pem = {};          // not empty: this key, whatever `key` says
};
Issued issue(const Wanted& wanted);

Issued make_root(const std::string& name);
Issued make_intermediate(const std::string& name, const Issued& issuer);
Issued make_leaf(const std::string& host, const Issued& issuer, const std::string& key = "P-256");

}  // namespace fleet::test
