#include "tls/x509.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <ctime>

namespace fleet::tls {
namespace {

Owned<BIO> memory(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int no_passphrase(char*, int, int, void*) { return 0; }

// Whether reading stopped because there is nothing more, and forgets the error.
bool at_the_end() {
  const auto error = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// Names go into log lines and onto terminals.
std::string printable(std::string text) {
  for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text;
}

bool is_host(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string text_of(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at >= 0) {
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    std::string text(reinterpret_cast<char*>(utf8), size > 0 ? static_cast<std::size_t>(size) : 0);
    OPENSSL_free(utf8);
    if (!text.empty()) return printable(std::move(text));
  }
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return printable({data, static_cast<std::size_t>(size)});
}

}  // namespace

Result<Chain> read_chain(const std::string& pem) {
  const auto in = memory(pem);
  Chain chain;
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr)) {
    chain.emplace_back(certificate);
    if (chain.size() > kMaxChain) {
      return fail(ErrorKind::usage, "holds more than " + std::to_string(kMaxChain) + " certificates");
    }
  }
  if (!at_the_end()) {
    return fail(ErrorKind::usage, "certificate " + std::to_string(chain.size() + 1) + " is damaged (not readable as X.509)");
  }
  if (chain.empty()) return fail(ErrorKind::usage, "holds no PEM certificate (-----BEGIN CERTIFICATE-----)");
  return chain;
}

Result<Owned<EVP_PKEY>> read_key(const std::string& pem) {
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(memory(pem).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key) return key;
  if (pem.find("ENCRYPTED") != std::string::npos) {
    return fail(ErrorKind::usage, "its private key has a passphrase (remove it: openssl pkey -in FILE -out FILE.new)");
  }
  return fail(ErrorKind::usage, "holds no PEM private key (-----BEGIN PRIVATE KEY-----)");
}

std::vector<std::string> dns_names(const X509* certificate) {
  std::vector<std::string> names;
  const Owned<GENERAL_NAMES> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_DNS) continue;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                     static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; });
    if (is_host(text)) names.push_back(std::move(text));
  }
  return names;
}

std::string subject_of(X509* certificate) { return text_of(X509_get_subject_name(certificate)); }
std::string issuer_of(X509* certificate) { return text_of(X509_get_issuer_name(certificate)); }

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

}  // namespace fleet::tls
