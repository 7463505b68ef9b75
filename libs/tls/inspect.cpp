#include "tls/inspect.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>

#include "tls/x509.hpp"

namespace fleet::tls {
namespace {

constexpr std::int64_t kDay = 24 * 3600;
constexpr int kMinRsaBits = 2048, kSlowRsaBits = 4096;
constexpr int kMinSignatureBits = 112;  // SHA-1 has 63

using Problem = std::optional<std::string>;

struct Curve {
  std::string_view openssl, known_as;
};
constexpr std::array kCurves{Curve{"prime256v1", "P-256"}, Curve{"secp384r1", "P-384"}, Curve{"secp521r1", "P-521"}};

std::string group_of(const EVP_PKEY* key) {
  char name[64] = "";
  std::size_t size = 0;
  EVP_PKEY_get_group_name(key, name, sizeof name, &size);
  return {name, size};
}

std::string kind_of(const EVP_PKEY* key) {
  const auto bits = std::to_string(EVP_PKEY_get_bits(key));
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return "RSA " + bits;
    case EVP_PKEY_RSA_PSS: return "RSA-PSS " + bits;
    case EVP_PKEY_ED25519: return "Ed25519";
    case EVP_PKEY_EC: break;
    default: {
      const char* name = EVP_PKEY_get0_type_name(key);
      return name ? name : "unknown";
    }
  }
  const auto group = group_of(key);
  const auto* curve = std::ranges::find(kCurves, group, &Curve::openssl);
  return "ECDSA " + (curve == kCurves.end() ? group : std::string(curve->known_as));
}

// "certificate 2 ("R11")"
std::string named(const Chain& chain, std::size_t at) {
  return "certificate " + std::to_string(at + 1) + " (\"" + subject_of(chain[at].get()) + "\")";
}

bool issued(const Chain& chain, std::size_t issuer, std::size_t subject) {
  return X509_check_issued(chain[issuer].get(), chain[subject].get()) == X509_V_OK &&
         X509_verify(chain[subject].get(), X509_get0_pubkey(chain[issuer].get())) == 1;
}

bool has_name_of_issuer(const Chain& chain, std::size_t issuer, std::size_t subject) {
  return X509_NAME_cmp(X509_get_subject_name(chain[issuer].get()), X509_get_issuer_name(chain[subject].get())) == 0;
}

bool self_signed(X509* certificate) { return X509_self_signed(certificate, 1) == 1; }

Problem wrong_with_key(const TlsConfig& files, const Chain& chain, const std::string& key_pem) {
  const auto key = read_key(key_pem);
  if (!key) return files.key + ": " + key.error().text;
  const auto belongs = [&](const Owned<X509>& certificate) {
    return X509_check_private_key(certificate.get(), key->get()) == 1;
  };
  const auto at = static_cast<std::size_t>(std::ranges::find_if(chain, belongs) - chain.begin());
  if (at == 0) return {};
  if (at < chain.size()) {
    return files.certificate + ": wrong order: the leaf comes first, but " + files.key + " belongs to " + named(chain, at) +
           " (reorder the file: leaf, then its issuer, then that one's)";
  }
  return files.key + ": does not belong to " + named(chain, 0) + " in " + files.certificate +
         " (was only one of the two files renewed?)";
}

// Each certificate is to be followed by its issuer.
Problem wrong_in_order(const Chain& chain, std::size_t at) {
  if (issued(chain, at + 1, at)) {
    if (X509_check_ca(chain[at + 1].get()) != 0) return {};
    return named(chain, at + 1) + " issued " + named(chain, at) + " but is not a CA's certificate";
  }
  for (std::size_t other = 0; other < chain.size(); ++other) {
    if (other == at || other == at + 1 || !issued(chain, other, at)) continue;
    return "wrong order: " + named(chain, other) + " issued " + named(chain, at) +
           " and must follow it directly (reorder the file: leaf, then its issuer, then that one's)";
  }
  if (X509_cmp(chain[at].get(), chain[at + 1].get()) == 0) {
    return named(chain, at + 1) + " is the one before it once more (remove it)";
  }
  if (self_signed(chain[at].get())) {
    return named(chain, at + 1) + " is not part of the chain, which ends before it (remove it)";
  }
  if (has_name_of_issuer(chain, at + 1, at)) {
    return named(chain, at + 1) + " has the name of the issuer of " + named(chain, at) +
           ", which was signed by another key or is damaged (get the chain that belongs to the leaf)";
  }
  return "incomplete chain: intermediate \"" + issuer_of(chain[at].get()) + "\" is missing between " + named(chain, at) +
         " and " + named(chain, at + 1) + " (insert it there)";
}

// The address of the issuer's certificate, where the certificate tells it.
std::string address_of_issuer(const X509* certificate) {
  const Owned<AUTHORITY_INFO_ACCESS> access(
      static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(certificate, NID_info_access, nullptr, nullptr)));
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
    const auto* entry = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(entry->method) != NID_ad_ca_issuers || entry->location->type != GEN_URI) continue;
    const auto* uri = entry->location->d.uniformResourceIdentifier;
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)), static_cast<std::size_t>(ASN1_STRING_length(uri))};
  }
  return {};
}

// A chain is complete where one of its certificates is signed by a root that clients have, or is a root itself.
Problem wrong_at_end(const TlsConfig& files, const Chain& chain, const Roots& roots, std::vector<std::string>& warnings) {
  X509* last = chain.back().get();
  const bool has_end =
      self_signed(last) || std::ranges::any_of(chain, [&](const auto& c) { return roots.signed_it(c.get()); });
  if (has_end || files.chain == ChainEnd::private_) return {};
  if (roots.none() && chain.size() > 1) {
    warnings.push_back(files.certificate + ": whether the chain is complete is not known: this machine has no trusted roots " +
                       "(install ca-certificates)");
    return {};
  }
  const auto address = address_of_issuer(last);
  return "incomplete chain: intermediate \"" + issuer_of(last) + "\" is missing: " + named(chain, chain.size() - 1) +
         " was issued by it, and it is neither in the file nor a root that this machine trusts (append it to the file" +
         (address.empty() ? "" : ", from " + address) + "; for a CA of your own that clients know: chain = \"private\")";
}

Problem weak(const Chain& chain, std::size_t at, std::vector<std::string>& warnings, const std::string& file) {
  X509* certificate = chain[at].get();
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (!key) return named(chain, at) + " has a key of an unknown kind";
  const int kind = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);
  const bool rsa = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS;
  const std::string renew = " (make a new key, ECDSA P-256 or RSA 2048, and a certificate for it)";
  if (rsa && bits < kMinRsaBits) {
    return named(chain, at) + " has a weak key: RSA of " + std::to_string(bits) + " bits, less than 2048" + renew;
  }
  const bool usual = rsa || kind == EVP_PKEY_ED25519 ||
                     (kind == EVP_PKEY_EC && std::ranges::find(kCurves, group_of(key), &Curve::openssl) != kCurves.end());
  if (at == 0 && !usual) return named(chain, at) + " has a key that clients do not take: " + kind_of(key) + renew;
  if (at == 0 && rsa && bits > kSlowRsaBits) {
    warnings.push_back(file + ": an RSA key of " + std::to_string(bits) + " bits makes handshakes slow (2048 suffices)");
  }
  int signature_bits = 0;
  const bool judged = X509_get_signature_info(certificate, nullptr, nullptr, &signature_bits, nullptr) == 1;
  if (!self_signed(certificate) && judged && signature_bits < kMinSignatureBits) {
    return named(chain, at) + " is signed with a hash that clients refuse, as SHA-1 is (have it issued anew)";
  }
  return {};
}

Problem out_of_date(const Chain& chain, std::size_t at, std::int64_t now) {
  const auto from = seconds_of(X509_get0_notBefore(chain[at].get())), until = seconds_of(X509_get0_notAfter(chain[at].get()));
  const std::string instead = at == 0 ? "renew it" : "put its successor in its place";
  if (until < now) return named(chain, at) + " has expired, on " + day(until) + " (" + instead + ")";
  if (from > now) return named(chain, at) + " is not valid before " + day(from) + " (is this machine's clock right?)";
  return {};
}

Problem wrong_with_chain(const TlsConfig& files, const Chain& chain, const Roots& roots, std::int64_t now,
                         std::vector<std::string>& warnings) {
  for (std::size_t at = 0; at + 1 < chain.size(); ++at) {
    if (auto problem = wrong_in_order(chain, at)) return problem;
  }
  for (std::size_t at = 0; at < chain.size(); ++at) {
    if (auto problem = weak(chain, at, warnings, files.certificate)) return problem;
    if (auto problem = out_of_date(chain, at, now)) return problem;
  }
  return wrong_at_end(files, chain, roots, warnings);
}

void warn_of_leaf(const TlsConfig& files, X509* leaf, const Facts& facts, std::vector<std::string>& warnings) {
  if (self_signed(leaf)) warnings.push_back(files.certificate + ": is self-signed: clients that do not know it refuse it");
  if (facts.names.empty()) {
    warnings.push_back(files.certificate + ": names no host (subjectAltName), so only clients of no other certificate get it, " +
                       "and refuse it");
  }
  if (X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) != 1) {
    warnings.push_back(files.certificate + ": is not meant for servers (extendedKeyUsage), so clients refuse it");
  }
}

Facts facts_of(const Chain& chain) {
  Facts facts;
  facts.names = dns_names(chain.front().get());
  if (const auto* key = X509_get0_pubkey(chain.front().get())) facts.key = kind_of(key);
  facts.issuer = issuer_of(chain.front().get());
  facts.from = seconds_of(X509_get0_notBefore(chain.front().get()));
  facts.until = seconds_of(X509_get0_notAfter(chain.front().get()));
  for (const auto& certificate : chain) {
    facts.from = std::max(facts.from, seconds_of(X509_get0_notBefore(certificate.get())));
    facts.until = std::min(facts.until, seconds_of(X509_get0_notAfter(certificate.get())));
  }
  return facts;
}

}  // namespace

Result<Inspected> inspect(const TlsConfig& files, const Pair& pair, const Roots& roots, std::int64_t now) {
  auto chain = read_chain(pair.certificate_pem);
  if (!chain) return std::unexpected(std::move(chain).error().in(files.certificate));
  if (!pair.key_pem.empty()) {
    if (auto problem = wrong_with_key(files, *chain, pair.key_pem)) return fail(ErrorKind::usage, std::move(*problem));
  }
  Inspected inspected;
  auto problem = wrong_with_chain(files, *chain, roots, now, inspected.warnings);
  ERR_clear_error();
  if (problem) return fail(ErrorKind::usage, files.certificate + ": " + *problem);
  inspected.facts = facts_of(*chain);
  warn_of_leaf(files, chain->front().get(), inspected.facts, inspected.warnings);
  return inspected;
}

Result<Facts> facts_of(const std::string& certificate_pem) {
  TRY(const auto chain, read_chain(certificate_pem));
  return facts_of(chain);
}

unsigned expiry_alarm(const Facts& facts, std::int64_t now) {
  const auto left = facts.until - now, life = facts.until - facts.from;
  if (left <= 0) return 3;
  if (left <= std::min(3 * kDay, life / 10)) return 2;
  return left <= std::min(14 * kDay, life / 3) ? 1 : 0;
}

std::string day(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[16] = "";
  const auto size = std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return {text, size};
}

}  // namespace fleet::tls
