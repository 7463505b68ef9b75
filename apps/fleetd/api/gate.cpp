#include "api/gate.hpp"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

namespace fleet::api {
namespace {

bool iequals(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

// "[::1]:7070" -> "::1", "shop:80" -> "shop"
std::string host_only(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return std::string(host.substr(0, host.find(':')));
}

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

bool is_own_host(const std::string& host, const Policy& policy) {
  return is_address(host) || iequals(host, "localhost") || (!policy.own_name.empty() && iequals(host, policy.own_name));
}

bool is_json(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return iequals(content_type, "application/json");
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

bool bears_token(std::string_view authorization, const std::string& token_digest) {
  constexpr std::string_view kScheme = "bearer ";
  if (token_digest.empty() || authorization.size() < kScheme.size()) return false;
  if (!iequals(authorization.substr(0, kScheme.size()), kScheme)) return false;
  const std::string digest = sha256(authorization.substr(kScheme.size()));
  return digest.size() == token_digest.size() &&
         ::CRYPTO_memcmp(digest.data(), token_digest.data(), digest.size()) == 0;
}

std::optional<Refusal> refuse_foreign(const Request& head, const Policy& policy) {
  const auto denied = [](std::string text) { return Refusal{403, {ErrorKind::denied, std::move(text)}}; };
  if (head.peer.transport == Peer::Transport::tcp && !is_own_host(host_only(head.host), policy)) {
    return denied("host not allowed: " + head.host + " (use an address, localhost or this machine's name)");
  }
  if (!head.origin.empty() && head.origin != "http://" + head.host && head.origin != "https://" + head.host) {
    return denied("foreign origin: " + head.origin);
  }
  if (head.has_body && !is_json(head.content_type)) {
    return Refusal{415, {ErrorKind::usage, "request body: not application/json"}};
  }
  return std::nullopt;
}

bool has_operator_rights(unsigned uid, std::span<const unsigned> groups, unsigned owner, unsigned group) {
  return uid == 0 || uid == owner || std::ranges::find(groups, group) != groups.end();
}

}  // namespace fleet::api
