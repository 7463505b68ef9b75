// What is wrong with a certificate and its chain, before a client finds out. The same for fleetd and for `fleetctl config
// check`. Pure, but for roots that are looked up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/result.hpp"
#include "tls/roots.hpp"

namespace fleet::tls {

// Contents of the two files of a [[tls]] table.
struct Pair {
  std::string certificate_pem, key_pem;
  friend bool operator==(const Pair&, const Pair&) = default;
};

struct Facts {
  std::vector<std::string> names;  // hosts; lower case; wildcards as "*.example.com"
  std::string key;                 // "ECDSA P-256", "RSA 2048"
  std::string issuer;
  std::int64_t from = 0, until = 0;  // seconds since the epoch in which all of the chain is valid
};

struct Inspected {
  Facts facts;
  std::vector<std::string> warnings;  // each names its file
};

// Errors name the file, the certificate's place in it and what to do. An empty key_pem is not looked at.
Result<Inspected> inspect(const TlsConfig& files, const Pair& pair, const Roots& roots, std::int64_t now);

// Of a pair that has been inspected before.
Result<Facts> facts_of(const std::string& certificate_pem);

// When to speak of the end: the latest of 14 days, 3 days and nothing before it that has come, as 1, 2, 3; 0: none yet.
// For certificates that live for days only, a third and a tenth of their life.
unsigned expiry_alarm(const Facts& facts, std::int64_t now);

std::string day(std::int64_t seconds);  // "2026-11-23"

}  // namespace fleet::tls
