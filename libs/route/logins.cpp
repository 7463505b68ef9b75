#include "route/logins.hpp"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace fleet::route {
namespace {

bool verify(const std::string& hash, const std::string& password) {
  const auto scratch = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), scratch.get());
  const bool same = made != nullptr && std::strlen(made) == hash.size() && CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(scratch.get(), sizeof *scratch);
  return same;
}

double seconds(std::chrono::steady_clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

std::string Logins::secret() {
  std::string bytes(32, '\0');
  const bool made = ::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) == 1;
  if (!made) std::abort();  // without it verdicts could be forged
  return bytes;
}

std::size_t Logins::First8::operator()(const Digest& digest) const {
  std::size_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

// Of the stored hash too: a verdict ends with the password that it was about.
Logins::Digest Logins::digest_of(const Users::Entry* known, const Credentials& given) const {
  const std::string text = (known != nullptr ? known->hash : "nobody") + '\n' + given.user + '\n' + given.password;
  Digest digest{};
  unsigned size = 0;
  ::HMAC(::EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), digest.data(), &size);
  return digest;
}

const bool* Logins::remembered(const Digest& digest) {
  if (const auto found = young_.find(digest); found != young_.end()) return &found->second;
  const auto found = old_.find(digest);
  if (found == old_.end()) return nullptr;
  remember(digest, found->second);
  return &young_.find(digest)->second;
}

void Logins::remember(const Digest& digest, bool good) {
  if (young_.size() >= kYoung) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.emplace(digest, good);
}

Logins::Failures& Logins::failures_of(const IpAddress& from, Time now) {
  auto address = from;
  if (!from.is_v4()) std::fill(address.bytes.begin() + 8, address.bytes.end(), std::uint8_t{0});
  if (failures_.empty()) failures_.resize(kAddresses);
  const std::string_view bytes(reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size());
  auto& place = failures_[std::hash<std::string_view>()(bytes) % kAddresses];
  if (place.address != address) place = {address, 0, now};
  place.count = std::max(0.0, place.count - kForgivenPerSecond * seconds(now - place.at));
  place.at = now;
  return place;
}

bool Logins::afford(std::uint32_t micros, Time now) {
  if (budget_at_ != Time{}) budget_ = std::min(kBurst, budget_ + kPerSecond * seconds(now - budget_at_));
  budget_at_ = now;
  if (budget_ < micros) return false;
  budget_ -= micros;
  return true;
}

Login Logins::check(const Users& users, std::string_view authorization, const IpAddress& from, Time now, std::string* user) {
  Credentials given;
  if (!read_basic(authorization, given)) return Login::refused;
  const auto login = look_at(users, given, from, now);
  OPENSSL_cleanse(given.password.data(), given.password.size());
  if (login == Login::accepted && user != nullptr) *user = std::move(given.user);
  return login;
}

Login Logins::look_at(const Users& users, const Credentials& given, const IpAddress& from, Time now) {
  const auto* known = users.find(given.user);
  const auto& entry = known != nullptr ? *known : users.anyone();
  const auto digest = digest_of(known, given);
  if (const bool* verdict = remembered(digest)) return *verdict ? Login::accepted : Login::refused;
  auto& failures = failures_of(from, now);
  if (failures.count >= kFailures || !afford(entry.micros, now)) return Login::busy;
  const bool good = verify(entry.hash, given.password) && known != nullptr;
  if (!good) failures.count += 1;
  remember(digest, good);
  return good ? Login::accepted : Login::refused;
}

}  // namespace fleet::route
