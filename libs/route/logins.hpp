// Verifies passwords without letting anybody hold up the worker's thread by it: what was verified once is remembered under
// a keyed hash, and what was not may cost 5 % of the time in all, and a few failures for each address.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/cidr.hpp"
#include "route/users.hpp"

namespace fleet::route {

enum class Login : std::uint8_t {
  accepted,
  refused,
  busy,  // not looked at: too many others are, or too many of this address have failed
};

class Logins {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Logins(std::string secret) : secret_(std::move(secret)) {}
  static std::string secret();  // random: each process has its own

  // `user`, where it is wanted, becomes who has been accepted, and else stays.
  Login check(const Users& users, std::string_view authorization, const IpAddress& from, Time now, std::string* user = nullptr);

 private:
  using Digest = std::array<unsigned char, 32>;
  struct First8 {
    std::size_t operator()(const Digest& digest) const;
  };
  using Verdicts = std::unordered_map<Digest, bool, First8>;
  struct Failures {
    IpAddress address;  // of IPv6 the /64
    double count = 0;
    Time at{};
  };

  Login look_at(const Users& users, const Credentials& given, const IpAddress& from, Time now);
  Digest digest_of(const Users::Entry* known, const Credentials& given) const;
  const bool* remembered(const Digest& digest);
  void remember(const Digest& digest, bool good);
  Failures& failures_of(const IpAddress& from, Time now);
  bool afford(std::uint32_t micros, Time now);

  std::string secret_;
  Verdicts young_, old_;            // when the young are many they become the old, and those are forgotten
  std::vector<Failures> failures_;  // by hash of the address; who comes later takes the place
  double budget_ = kBurst;          // microseconds
  Time budget_at_{};

  static constexpr double kBurst = 250'000, kPerSecond = 50'000;  // microseconds
  static constexpr double kFailures = 10, kForgivenPerSecond = 0.5;
  static constexpr std::size_t kYoung = 2048, kAddresses = 1024;
};

}  // namespace fleet::route
