#include "encryption/tls_contexts.hpp"

#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include "encryption/certificate_table.hpp"
#include "support/certificates/certificates.hpp"

namespace fleet::proxy {
namespace {

using test::issue;
using test::Issued;

wire::Certificate pair(const Issued& issued, const std::string& file = {}) { return {issued.certificate, issued.key, file}; }

wire::Certificate certificate(const std::string& name, const std::vector<std::string>& hosts,
                              const std::string& key = "P-256", const std::string& file = {}) {
  return pair(issue({.name = name, .hosts = hosts, .key = key}), file);
}

std::string ticket(char c) { return std::string(80, c); }

struct Wanted {
  std::string server_name;
  const char* signatures = nullptr;  // as SSL_set1_sigalgs_list
  int version = TLS1_3_VERSION;
  std::string protocols;  // ALPN
  SSL_SESSION* session = nullptr;
};

// A client of TlsContexts, in memory.
struct Handshake {
  Handshake(const TlsContexts& contexts, const Wanted& wanted)
      : context(SSL_CTX_new(TLS_client_method())), client(SSL_new(context)), server(SSL_new(contexts.first())) {
    BIO *ours = nullptr, *theirs = nullptr;
    BIO_new_bio_pair(&ours, 1 << 16, &theirs, 1 << 16);
    SSL_set_bio(client, ours, ours);
    SSL_set_bio(server, theirs, theirs);
    SSL_set_min_proto_version(client, wanted.version);
    SSL_set_max_proto_version(client, wanted.version);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    if (!wanted.server_name.empty()) SSL_set_tlsext_host_name(client, wanted.server_name.c_str());
    if (wanted.signatures) SSL_set1_sigalgs_list(client, wanted.signatures);
    if (!wanted.protocols.empty()) {
      SSL_set_alpn_protos(client, reinterpret_cast<const unsigned char*>(wanted.protocols.data()),
                          static_cast<unsigned>(wanted.protocols.size()));
    }
    if (wanted.session) SSL_set_session(client, wanted.session);
    for (int turn = 0; turn < 6; ++turn) {
      const int a = SSL_do_handshake(client), b = SSL_do_handshake(server);
      done = a == 1 && b == 1;
    }
    char byte = 0;
    SSL_write(server, "x", 1);
    SSL_read(client, &byte, 1);  // takes the ticket too
  }
  ~Handshake() {
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // else its session is no good any more
    SSL_free(client), SSL_free(server), SSL_CTX_free(context);
  }
  Handshake(const Handshake&) = delete;

  std::string name() const {
    X509* certificate = SSL_get0_peer_certificate(client);
    return certificate ? tls::subject_of(certificate) : "";
  }
  std::string kind() const {
    X509* certificate = SSL_get0_peer_certificate(client);
    return certificate ? EVP_PKEY_get0_type_name(X509_get0_pubkey(certificate)) : "";
  }
  bool resumed() const { return SSL_session_reused(client) == 1; }
  std::string protocol() const {
    const unsigned char* text = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client, &text, &size);
    return {reinterpret_cast<const char*>(text), size};
  }
  SSL_SESSION* session() const { return SSL_get1_session(client); }

  SSL_CTX* context;
  SSL *client, *server;
  bool done = false;
};

std::shared_ptr<const TlsContexts> make(const std::vector<wire::Certificate>& certificates,
                                        std::vector<std::string> tickets = {ticket('a')},
                                        const TlsContexts* former = nullptr) {
  wire::Keys keys;
  keys.certificates = certificates;
  keys.ticket_keys = std::move(tickets);
  auto made = TlsContexts::make(keys, former);
  EXPECT_TRUE(made) << made.error().text;
  if (!made) return nullptr;
  EXPECT_TRUE(made->refused.empty());
  return made->contexts;
}

std::string name_for(const TlsContexts& contexts, const std::string& server_name) {
  Wanted wanted;
  wanted.server_name = server_name;
  return Handshake(contexts, wanted).name();
}

TEST(TlsCertificates, AreChosenExactlyThenByWildcardThenTheFirst) {
  const auto contexts = make({certificate("default", {"shop.test"}), certificate("wild", {"*.wild.test"}),
                              certificate("exact", {"a.wild.test", "exact.test"})});
  EXPECT_EQ(name_for(*contexts, "exact.test"), "exact");
  EXPECT_EQ(name_for(*contexts, "EXACT.test"), "exact");
  EXPECT_EQ(name_for(*contexts, "a.wild.test"), "exact");
  EXPECT_EQ(name_for(*contexts, "b.wild.test"), "wild");
  EXPECT_EQ(name_for(*contexts, "a.b.wild.test"), "default");
  EXPECT_EQ(name_for(*contexts, "wild.test"), "default");
  EXPECT_EQ(name_for(*contexts, "unknown"), "default");
  EXPECT_EQ(name_for(*contexts, ""), "default");
  EXPECT_EQ(name_for(*contexts, std::string(255, 'x')), "default");
}

TEST(TlsCertificates, OfTwoWithOneNameAndKindTheFirstHasIt) {
  const auto contexts = make({certificate("default", {"x.test"}), certificate("one", {"a.test"}), certificate("two", {"a.test", "b.test"})});
  EXPECT_EQ(name_for(*contexts, "a.test"), "one");
  EXPECT_EQ(name_for(*contexts, "b.test"), "two");
}

class BothKinds : public ::testing::TestWithParam<int> {
 protected:
  static std::string kind(const TlsContexts& contexts, const std::string& name, const char* signatures) {
    Wanted wanted;
    wanted.server_name = name;
    wanted.signatures = signatures;
    wanted.version = GetParam();
    const Handshake handshake(contexts, wanted);
    return handshake.done ? handshake.kind() : "none";
  }
  static constexpr const char* kRsaOnly = "rsa_pss_rsae_sha256:RSA+SHA256";
  static constexpr const char* kEcdsaOnly = "ECDSA+SHA256";
  static constexpr const char* kBoth = "RSA+SHA256:rsa_pss_rsae_sha256:ECDSA+SHA256";
};

TEST_P(BothKinds, StandSideBySideForOneName) {
  const auto contexts = make({certificate("default", {"shop.test"}, "RSA 2048"), certificate("default", {"shop.test"}),
                              certificate("rsa", {"a.test"}, "RSA 2048"), certificate("ecdsa", {"a.test", "*.a.test"}),
                              certificate("only", {"b.test"}, "RSA 2048")});
  for (const auto* name : {"shop.test", "a.test", "", "unknown.test"}) {
    EXPECT_EQ(kind(*contexts, name, kRsaOnly), "RSA") << name;
    EXPECT_EQ(kind(*contexts, name, kEcdsaOnly), "EC") << name;
    EXPECT_EQ(kind(*contexts, name, kBoth), "EC") << name << ": the cheaper for both";
  }
  EXPECT_EQ(kind(*contexts, "x.a.test", kRsaOnly), "none") << "a wildcard stands alone, without the default's RSA";
  EXPECT_EQ(kind(*contexts, "x.a.test", kBoth), "EC");
  EXPECT_EQ(kind(*contexts, "b.test", kBoth), "RSA");
  EXPECT_EQ(kind(*contexts, "b.test", kEcdsaOnly), "none");
}
INSTANTIATE_TEST_SUITE_P(Tls, BothKinds, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST(TlsCertificates, ABadOneLeavesTheOthersAndItsFormerVersion) {
  wire::Keys keys;
  keys.certificates = {certificate("one", {"one.test"}, "P-256", "one.pem"), certificate("two", {"two.test"}, "P-256", "two.pem")};
  const auto first = TlsContexts::make(keys, nullptr);
  ASSERT_TRUE(first);
  keys.certificates[0] = certificate("new one", {"one.test"}, "P-256", "one.pem");
  keys.certificates[1].key_pem = keys.certificates[0].key_pem;
  keys.certificates.push_back(certificate("three", {"three.test"}, "P-256", "three.pem"));
  keys.certificates[2].certificate_pem = "x";
  const auto second = TlsContexts::make(keys, first->contexts.get());
  ASSERT_TRUE(second);
  ASSERT_EQ(second->refused.size(), 2u);
  EXPECT_EQ(second->refused[0].file, "two.pem");
  EXPECT_NE(second->refused[0].error.find("does not belong"), std::string::npos);
  EXPECT_EQ(second->refused[1].file, "three.pem");
  EXPECT_EQ(name_for(*second->contexts, "one.test"), "new one");
  EXPECT_EQ(name_for(*second->contexts, "two.test"), "two");
  EXPECT_EQ(name_for(*second->contexts, "three.test"), "new one");
  EXPECT_EQ(second->contexts->keys().certificates.size(), 2u) << "what is in force";
}

TEST(TlsCertificates, WithoutAGoodOneAreAnErrorAndWithoutAnyThereIsNoHttps) {
  wire::Keys keys;
  EXPECT_EQ(TlsContexts::make(keys, nullptr)->contexts, nullptr);
  keys.certificates = {{"x", "y", "a.pem"}};
  const auto made = TlsContexts::make(keys, nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().text.find("a.pem: "), 0u) << made.error().text;
}

TEST(TlsCertificates, UnchangedOnesAreNotReadAgain) {
  wire::Keys keys;
  for (int i = 0; i < 200; ++i) {
    const auto name = std::to_string(i);
    keys.certificates.push_back(certificate(name, {name + ".test"}, "P-256", name));
  }
  const auto first = TlsContexts::make(keys, nullptr);
  const auto began = std::chrono::steady_clock::now();
  const auto second = TlsContexts::make(keys, first->contexts.get());
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(name_for(*second->contexts, "77.test"), "77");
  EXPECT_EQ(second->contexts->keys(), keys);
  EXPECT_LT(took, std::chrono::milliseconds(50)) << "reading them takes several times that";
}

TEST(TlsCertificates, TenThousandNamesAreCheap) {
  std::vector<wire::Certificate> certificates;
  for (int c = 0; c < 100; ++c) {
    std::vector<std::string> hosts;
    for (int h = 0; h < 100; ++h) hosts.push_back("h" + std::to_string(h) + ".c" + std::to_string(c) + ".test");
    certificates.push_back(certificate("c" + std::to_string(c), hosts));
  }
  const auto contexts = make(certificates);
  EXPECT_EQ(name_for(*contexts, "h99.c42.test"), "c42");
  std::vector<LeafPtr> leaves;
  for (const auto& one : certificates) leaves.push_back(*Leaf::read(one));
  const auto began = std::chrono::steady_clock::now();
  const CertificateTable table(std::move(leaves));
  int found = 0;
  for (int i = 0; i < 10'000; ++i) found += table.choose("h7.c99.test").size() == 1 ? 1 : 0;
  EXPECT_EQ(found, 10'000);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(500)) << "under sanitizers";
}

TEST(TlsTickets, AreResumedByWhoeverHasTheirKey) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto shop = certificate("shop", {"shop.test"});
    const auto one = make({shop}), other = make({shop}), stranger = make({shop}, {ticket('z')});
    Wanted wanted;
    wanted.server_name = "shop.test";
    wanted.version = version;
    const Handshake began(*one, wanted);
    ASSERT_TRUE(began.done);
    wanted.session = began.session();
    EXPECT_TRUE(Handshake(*other, wanted).resumed()) << version;
    EXPECT_FALSE(Handshake(*stranger, wanted).resumed()) << version;
    SSL_SESSION_free(wanted.session);
  }
}

TEST(TlsTickets, LiveThroughTwoRotationsAndAreThenForgotten) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto shop = certificate("shop", {"shop.test"});
    Wanted wanted;
    wanted.version = version;
    const Handshake began(*make({shop}, {ticket('a')}), wanted);
    wanted.session = began.session();
    const auto resumed = [&](std::vector<std::string> keys) { return Handshake(*make({shop}, std::move(keys)), wanted).resumed(); };
    EXPECT_TRUE(resumed({ticket('a'), ticket('b')})) << "announced";
    EXPECT_TRUE(resumed({ticket('b'), ticket('a')}));
    EXPECT_TRUE(resumed({ticket('c'), ticket('b'), ticket('a')}));
    EXPECT_FALSE(resumed({ticket('d'), ticket('c'), ticket('b')}));
    SSL_SESSION_free(wanted.session);
  }
}

TEST(TlsTickets, OfAnOlderKeyAreRenewedWithTheNewest) {
  const auto shop = certificate("shop", {"shop.test"});
  Wanted wanted;
  const Handshake began(*make({shop}, {ticket('a')}), wanted);
  wanted.session = began.session();
  const auto both = make({shop}, {ticket('b'), ticket('a')});
  const Handshake again(*both, wanted);
  ASSERT_TRUE(again.resumed());
  SSL_SESSION_free(wanted.session);
  wanted.session = again.session();
  EXPECT_TRUE(Handshake(*make({shop}, {ticket('b')}), wanted).resumed());
  SSL_SESSION_free(wanted.session);
}

TEST(TlsProtocol, IsAgreedOnOrRefused) {
  const auto contexts = make({certificate("shop", {"shop.test"})});
  const auto agreed = [&](std::string offered) {
    Wanted wanted;
    wanted.protocols = std::move(offered);
    const Handshake handshake(*contexts, wanted);
    return handshake.done ? handshake.protocol() : "refused";
  };
  EXPECT_EQ(agreed(""), "");
  EXPECT_EQ(agreed("\x08http/1.1"), "http/1.1");
  EXPECT_EQ(agreed("\x08http/1.0\x08http/1.1"), "http/1.1") << "our preference";
  EXPECT_EQ(agreed("\x03" "ftp"), "refused");
}

TEST(TlsProtocol, IsOfMozillasIntermediateProfile) {
  const auto contexts = make({certificate("ecdsa", {"shop.test"}), certificate("rsa", {"shop.test"}, "RSA 2048")});
  std::vector<std::string> allowed;
  auto* ciphers = SSL_CTX_get_ciphers(contexts->first());
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) allowed.push_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)));
  EXPECT_THAT(allowed, ::testing::UnorderedElementsAre(
                           "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
                           "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                           "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"));
  EXPECT_EQ(SSL_CTX_get_min_proto_version(contexts->first()), TLS1_2_VERSION);
  EXPECT_EQ(SSL_CTX_get_max_early_data(contexts->first()), 0u) << "P13: no 0-RTT";
  Wanted old;
  old.version = TLS1_1_VERSION;
  EXPECT_FALSE(Handshake(*contexts, old).done);
}

TEST(TlsCoverage, P13_AConnectionIsForTheHostsOfItsCertificate) {
  const auto contexts = make({certificate("default", {"shop.test", "www.shop.test"}),
                              certificate("other", {"other.test", "*.other.test"}), certificate("third", {"third.test"}),
                              certificate("third", {"third.test", "fourth.test"}, "RSA 2048")});
  EXPECT_TRUE(contexts->covers("shop.test", "shop.test"));
  EXPECT_TRUE(contexts->covers("shop.test", "www.shop.test"));
  EXPECT_TRUE(contexts->covers("SHOP.test", "shop.test"));
  EXPECT_TRUE(contexts->covers("shop.test", "WWW.shop.test"));
  EXPECT_FALSE(contexts->covers("shop.test", "other.test"));
  EXPECT_TRUE(contexts->covers("other.test", "a.other.test"));
  EXPECT_FALSE(contexts->covers("other.test", "a.b.other.test"));
  EXPECT_TRUE(contexts->covers("unknown.test", "unknown.test")) << "who took the default for it meant it";
  EXPECT_FALSE(contexts->covers("unknown.test", "other.test"));
  EXPECT_TRUE(contexts->covers("", "other.test")) << "no name was given, so none is wrong";
  EXPECT_FALSE(contexts->covers("third.test", "fourth.test")) << "which of the two was presented is not known";
}

}  // namespace
}  // namespace fleet::proxy
