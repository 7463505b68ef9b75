#include "certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "temp_dir.hpp"

namespace fleet {
namespace {

class Certificates : public TempDir {
 protected:
  // Writes NAME.pem and NAME.key. days: until it expires. pass: of the key; null: none.
  TlsConfig make(const std::string& name, int days = 10, const char* pass = nullptr) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -100L * 24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * 24L * 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    BIO* out = BIO_new_file((dir + "/" + name + ".pem").c_str(), "w");
    PEM_write_bio_X509(out, certificate);
    BIO_free(out);
    out = BIO_new_file((dir + "/" + name + ".key").c_str(), "w");
    PEM_write_bio_PrivateKey(out, key, pass ? EVP_aes_256_cbc() : nullptr, nullptr, 0, nullptr, const_cast<char*>(pass));
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return {dir + "/" + name + ".pem", dir + "/" + name + ".key"};
  }
  void refused(const TlsConfig& files, const std::string& why, const std::string& file) {
    const auto keys = load_keys({files}, true, dir);
    ASSERT_FALSE(keys) << why;
    EXPECT_NE(keys.error().text.find(why), std::string::npos) << keys.error().text;
    EXPECT_NE(keys.error().text.find(file), std::string::npos) << keys.error().text;
  }
};

TEST_F(Certificates, AreReadInTheirOrder) {
  const auto a = make("a"), b = make("b");
  const auto keys = load_keys({a, b}, true, dir);
  ASSERT_TRUE(keys) << keys.error().text;
  ASSERT_EQ(keys->certificates.size(), 2u);
  EXPECT_EQ(keys->certificates[0].certificate_pem, read("a.pem"));
  EXPECT_EQ(keys->certificates[1].key_pem, read("b.key"));
}

TEST_F(Certificates, TicketKeysAreNewEachTime) {
  const auto first = load_keys({make("a")}, true, dir), second = load_keys({make("a")}, true, dir);
  ASSERT_EQ(first->ticket_keys.size(), 1u);
  EXPECT_EQ(first->ticket_keys[0].size(), 80u);
  EXPECT_NE(first->ticket_keys, second->ticket_keys);
}

TEST_F(Certificates, WithNoneOneForLocalhostIsMadeOnceAndKept) {
  const auto first = load_keys({}, true, dir);
  ASSERT_TRUE(first) << first.error().text;
  const auto second = load_keys({}, true, dir);
  ASSERT_EQ(second->certificates.size(), 1u);
  EXPECT_EQ(first->certificates[0].certificate_pem, second->certificates[0].certificate_pem);
  struct stat info {};
  ASSERT_EQ(::stat((dir + "/localhost.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u) << "nobody else reads the key";
}

TEST_F(Certificates, TheOneForLocalhostSaysSoByNameAndAddress) {
  ASSERT_TRUE(load_keys({}, true, dir));
  BIO* in = BIO_new_file((dir + "/localhost.pem").c_str(), "r");
  X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
  BIO_free(in);
  ASSERT_TRUE(certificate);
  EXPECT_EQ(X509_check_host(certificate, "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "::1", 0), 1);
  EXPECT_EQ(X509_check_host(certificate, "example.com", 0, 0, nullptr), 0);
  X509_free(certificate);
}

TEST_F(Certificates, AHalfWrittenOneForLocalhostIsMadeAnew) {
  ASSERT_TRUE(load_keys({}, true, dir));
  std::filesystem::remove(dir + "/localhost.pem");
  EXPECT_TRUE(load_keys({}, true, dir));
  write("localhost.pem", "");
  EXPECT_TRUE(load_keys({}, true, dir));
}

TEST_F(Certificates, WithoutHttpsNoneIsMade) {
  const auto keys = load_keys({}, false, dir);
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->certificates.empty());
  EXPECT_FALSE(std::filesystem::exists(dir + "/localhost.pem"));
}

TEST_F(Certificates, AKeyOfAnotherIsRefused) {
  const auto a = make("a"), b = make("b");
  refused({a.certificate, b.key}, "does not belong", b.key);
}

TEST_F(Certificates, AnExpiredOneIsRefused) {
  const auto old = make("old", -1);
  refused(old, "has expired", old.certificate);
}

TEST_F(Certificates, WhatIsNotPemIsRefused) {
  const auto a = make("a");
  write("not.pem", "hello\n");
  refused({dir + "/not.pem", a.key}, "no PEM certificate", "not.pem");
  refused({a.certificate, dir + "/not.pem"}, "no PEM private key", "not.pem");
  refused({a.key, a.key}, "no PEM certificate", "a.key");
  write("empty.pem", "");
  refused({dir + "/empty.pem", a.key}, "no PEM certificate", "empty.pem");
}

TEST_F(Certificates, AKeyWithAPassphraseIsRefusedAndNobodyIsAsked) {
  const auto a = make("a", 10, "secret");
  refused(a, "passphrase", a.key);
}

TEST_F(Certificates, AMissingFileIsNamed) {
  const auto a = make("a");
  refused({dir + "/none.pem", a.key}, "none.pem", "none.pem");
  refused({a.certificate, dir + "/none.key"}, "none.key", "none.key");
}

}  // namespace
}  // namespace fleet
