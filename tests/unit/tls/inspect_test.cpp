#include "tls/inspect.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/certificates/certificates.hpp"
#include "tls/x509.hpp"

namespace fleet::tls {
namespace {

using test::issue;
using test::Issued;
using test::make_intermediate;
using test::make_leaf;
using test::make_root;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kDay = 24 * 3600;

class Certificate : public ::testing::Test {
 protected:
  static std::int64_t now() { return ::time(nullptr); }

  Result<Inspected> look(const std::string& chain, const std::string& key, ChainEnd end = ChainEnd::complete) {
    TlsConfig files{"a.pem", "a.key"};
    files.chain = end;
    return inspect(files, {chain, key}, roots, now());
  }
  void accepted(const std::string& chain, const std::string& key, ChainEnd end = ChainEnd::complete) {
    const auto found = look(chain, key, end);
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_THAT(found->warnings, IsEmpty());
  }
  void warned(const std::string& chain, const std::string& key, const std::string& text) {
    const auto found = look(chain, key);
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_THAT(found->warnings, ::testing::Contains(HasSubstr(text)));
  }
  void refused(const std::string& chain, const std::string& key, const std::string& text,
               ChainEnd end = ChainEnd::complete) {
    const auto found = look(chain, key, end);
    ASSERT_FALSE(found) << "expected: " << text;
    EXPECT_EQ(found.error().kind, ErrorKind::usage);
    EXPECT_THAT(found.error().text, HasSubstr(text));
  }

  const Issued root = make_root("Public Root"), middle = make_intermediate("R1", root), leaf = make_leaf("shop.test", middle);
  Roots roots = Roots::of(root.certificate);
};

TEST_F(Certificate, WithItsIntermediateIsComplete) {
  const auto found = look(leaf.with({middle}), leaf.key);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_THAT(found->warnings, IsEmpty());
  EXPECT_THAT(found->facts.names, ElementsAre("shop.test"));
  EXPECT_EQ(found->facts.key, "ECDSA P-256");
  EXPECT_EQ(found->facts.issuer, "R1");
  EXPECT_NEAR(static_cast<double>(found->facts.until), static_cast<double>(now() + 30 * kDay), 60);
}

TEST_F(Certificate, WithTheRootToo) { accepted(leaf.with({middle, root}), leaf.key); }

TEST_F(Certificate, SignedByARootDirectly) {
  const auto direct = make_leaf("shop.test", root);
  accepted(direct.certificate, direct.key);
}

TEST_F(Certificate, WithoutItsIntermediateIsRefusedAndItSaysWhereToGetIt) {
  refused(leaf.certificate, leaf.key,
          "a.pem: incomplete chain: intermediate \"R1\" is missing: certificate 1 (\"shop.test\") was issued by it, and it is "
          "neither in the file nor a root that this machine trusts (append it to the file; for a CA of your own that clients "
          "know: chain = \"private\")");
  const auto addressed = issue({.name = "b.test", .hosts = {"b.test"}, .issuer = &middle, .issuer_address = "http://r1.test/r1.der"});
  refused(addressed.certificate, addressed.key, "append it to the file, from http://r1.test/r1.der;");
}

TEST_F(Certificate, WithoutTheSecondOfTwoIntermediatesIsRefused) {
  const auto lower = make_intermediate("R1a", middle);
  const auto own = make_leaf("shop.test", lower);
  accepted(own.with({lower, middle}), own.key);
  refused(own.with({lower}), own.key, "intermediate \"R1\" is missing: certificate 2 (\"R1a\") was issued by it");
  refused(own.with({middle}), own.key,
          "intermediate \"R1a\" is missing between certificate 1 (\"shop.test\") and certificate 2 (\"R1\")");
}

// As Let's Encrypt's long chain was: the last certificate's issuer is gone, but clients know an earlier one's.
TEST_F(Certificate, CrossSignedByARootThatIsGoneIsComplete) {
  const auto gone = make_root("Old Root");
  const auto cross = issue({.name = "Public Root", .issuer = &gone, .is_ca = true, .key_pem = root.key});
  accepted(leaf.with({middle, cross}), leaf.key);
}

TEST_F(Certificate, OfAPrivateCaHoldsItsRootOrSaysSo) {
  const auto own = make_root("Our CA");
  const auto below = make_intermediate("Our Servers", own);
  const auto host = make_leaf("intra.test", below);
  accepted(host.with({below, own}), host.key);
  refused(host.with({below}), host.key, "intermediate \"Our CA\" is missing");
  accepted(host.with({below}), host.key, ChainEnd::private_);
  accepted(host.certificate, host.key, ChainEnd::private_);
  refused(host.with({own}), host.key, "is missing between", ChainEnd::private_);
}

TEST_F(Certificate, OnAMachineWithoutRootsIsTakenAtItsWordWhenItHasAChain) {
  roots = Roots::of("");
  warned(leaf.with({middle}), leaf.key, "whether the chain is complete is not known: this machine has no trusted roots");
  refused(leaf.certificate, leaf.key, "intermediate \"R1\" is missing");
}

TEST_F(Certificate, InTheWrongOrderIsRefused) {
  const auto lower = make_intermediate("R1a", middle);
  const auto own = make_leaf("shop.test", lower);
  refused(own.with({middle, lower}), own.key,
          "wrong order: certificate 3 (\"R1a\") issued certificate 1 (\"shop.test\") and must follow it directly");
  refused(middle.with({leaf}), leaf.key, "wrong order: the leaf comes first, but a.key belongs to certificate 2 (\"shop.test\")");
}

TEST_F(Certificate, WithWhatDoesNotBelongToItsChainIsRefused) {
  refused(leaf.with({leaf, middle}), leaf.key, "certificate 3 (\"R1\") issued certificate 1");
  refused(leaf.with({middle, middle}), leaf.key, "certificate 3 (\"R1\") is the one before it once more (remove it)");
  refused(leaf.with({middle, root, make_root("Other")}), leaf.key,
          "certificate 4 (\"Other\") is not part of the chain, which ends before it (remove it)");
}

TEST_F(Certificate, OfAnIssuerThatHasAnotherKeyNowIsRefused) {
  const auto renewed = make_intermediate("R1", root);
  refused(leaf.with({renewed}), leaf.key, "has the name of the issuer of certificate 1 (\"shop.test\"), which was signed by another key");
}

TEST_F(Certificate, IssuedByWhatIsNoCaIsRefused) {
  const auto host = make_leaf("host.test", middle);
  const auto below = make_leaf("below.test", host);
  refused(below.with({host, middle}), below.key, "certificate 2 (\"host.test\") issued certificate 1 (\"below.test\") but is not a CA");
}

TEST_F(Certificate, WithAnotherKeyIsRefused) {
  const auto other = make_leaf("shop.test", middle);
  refused(leaf.with({middle}), other.key,
          "a.key: does not belong to certificate 1 (\"shop.test\") in a.pem (was only one of the two files renewed?)");
}

TEST_F(Certificate, OutOfItsTimeIsRefused) {
  const auto old = issue({.name = "old.test", .hosts = {"old.test"}, .issuer = &middle, .from_days = -40, .until_days = -1});
  refused(old.with({middle}), old.key, "certificate 1 (\"old.test\") has expired, on " + day(now() - kDay) + " (renew it)");
  const auto early = issue({.name = "new.test", .hosts = {"new.test"}, .issuer = &middle, .from_days = 2});
  refused(early.with({middle}), early.key, "is not valid before " + day(now() + 2 * kDay) + " (is this machine's clock right?)");
  const auto stale = issue({.name = "R0", .issuer = &root, .is_ca = true, .from_days = -40, .until_days = -1});
  const auto under = make_leaf("shop.test", stale);
  refused(under.with({stale}), under.key, "certificate 2 (\"R0\") has expired");
}

TEST_F(Certificate, WithAWeakKeyIsRefused) {
  const auto weak = make_leaf("shop.test", middle, "RSA 1024");
  refused(weak.with({middle}), weak.key, "has a weak key: RSA of 1024 bits, less than 2048 (make a new key");
  const auto odd = make_leaf("shop.test", middle, "secp256k1");
  refused(odd.with({middle}), odd.key, "has a key that clients do not take: ECDSA secp256k1");
  const auto upper = issue({.name = "Weak CA", .key = "RSA 1024", .issuer = &root, .is_ca = true});
  const auto below = make_leaf("shop.test", upper);
  refused(below.with({upper}), below.key, "certificate 2 (\"Weak CA\") has a weak key");
  const auto hashed = issue({.name = "shop.test", .hosts = {"shop.test"}, .issuer = &middle, .hash = "SHA1"});
  refused(hashed.with({middle}), hashed.key, "is signed with a hash that clients refuse, as SHA-1 is");
}

TEST_F(Certificate, OfEveryUsualKindOfKeyIsTaken) {
  for (const auto& [kind, shown] : {std::pair{"P-256", "ECDSA P-256"}, {"P-384", "ECDSA P-384"}, {"RSA 2048", "RSA 2048"},
                                    {"Ed25519", "Ed25519"}}) {
    const auto own = make_leaf("shop.test", middle, kind);
    const auto found = look(own.with({middle}), own.key);
    ASSERT_TRUE(found) << kind << ": " << found.error().text;
    EXPECT_EQ(found->facts.key, shown);
  }
}

TEST_F(Certificate, SelfSignedIsTakenWithAWarning) {
  const auto own = issue({.name = "localhost", .hosts = {"localhost"}});
  warned(own.certificate, own.key, "a.pem: is self-signed: clients that do not know it refuse it");
}

TEST_F(Certificate, ThatClientsWouldRefuseForOtherReasonsIsWarnedOf) {
  const auto nameless = issue({.name = "shop.test", .issuer = &middle});
  warned(nameless.with({middle}), nameless.key, "names no host (subjectAltName)");
  const auto client = issue({.name = "shop.test", .hosts = {"shop.test"}, .issuer = &middle, .usage = "clientAuth"});
  warned(client.with({middle}), client.key, "is not meant for servers (extendedKeyUsage)");
}

TEST_F(Certificate, ThatIsNotPemIsRefused) {
  refused("hello\n", leaf.key, "a.pem: holds no PEM certificate");
  refused("", leaf.key, "a.pem: holds no PEM certificate");
  refused(leaf.key, leaf.key, "a.pem: holds no PEM certificate");
  auto damaged = middle.certificate;
  damaged.replace(200, 4, "####");
  refused(leaf.certificate + damaged, leaf.key, "a.pem: certificate 2 is damaged");
  refused(leaf.with({middle}), "hello", "a.key: holds no PEM private key");
  refused(leaf.with({middle}), leaf.certificate, "a.key: holds no PEM private key");
  refused(leaf.with(std::vector<Issued>(10, middle)), leaf.key, "a.pem: holds more than 10 certificates");
}

TEST_F(Certificate, AndItsKeyMayShareAFile) { accepted(leaf.key + leaf.with({middle}), leaf.key + leaf.with({middle})); }

TEST_F(Certificate, IsLookedAtWithoutItsKeyWhereThatMayNotBeRead) { accepted(leaf.with({middle}), ""); }

TEST_F(Certificate, NamesAreLowerCaseAndTheFirstEndOfTheChainCounts) {
  const auto soon = issue({.name = "R9", .issuer = &root, .is_ca = true, .until_days = 5});
  const auto host = issue({.name = "x", .hosts = {"Shop.TEST", "*.Wild.test"}, .issuer = &soon});
  const auto facts = facts_of(host.with({soon}));
  ASSERT_TRUE(facts);
  EXPECT_THAT(facts->names, ElementsAre("shop.test", "*.wild.test"));
  EXPECT_NEAR(static_cast<double>(facts->until), static_cast<double>(now() + 5 * kDay), 60);
}

TEST_F(Certificate, OfAStrangeNameIsShownWithoutItsControlCharacters) {
  const auto odd = issue({.name = "a\n\x1b[31mb", .hosts = {"a b", "c.test"}, .issuer = &middle});
  refused(odd.certificate, odd.key, "certificate 1 (\"a??[31mb\")");
  EXPECT_THAT(facts_of(odd.certificate)->names, ElementsAre("c.test"));
}

TEST(CertificateExpiry, IsSpokenOfAtFourteenAndAtThreeDaysAndAtTheEnd) {
  Facts facts;
  facts.until = 90 * kDay;
  EXPECT_EQ(expiry_alarm(facts, 75 * kDay), 0u);
  EXPECT_EQ(expiry_alarm(facts, 76 * kDay), 1u);
  EXPECT_EQ(expiry_alarm(facts, 86 * kDay), 1u);
  EXPECT_EQ(expiry_alarm(facts, 87 * kDay), 2u);
  EXPECT_EQ(expiry_alarm(facts, 90 * kDay), 3u);
}

TEST(CertificateExpiry, OfOneThatLivesForDaysIsSpokenOfLater) {
  Facts facts;
  facts.until = 6 * kDay;
  EXPECT_EQ(expiry_alarm(facts, 3 * kDay), 0u);
  EXPECT_EQ(expiry_alarm(facts, 4 * kDay), 1u);
  EXPECT_EQ(expiry_alarm(facts, 6 * kDay - kDay / 2), 2u);
}

TEST(SystemRoots, KnowTheirOwnAndNoOther) {
  const auto roots = Roots::system();
  if (roots.none()) GTEST_SKIP() << "no ca-certificates here";
  std::size_t known = 0;
  for (const auto& file : std::filesystem::directory_iterator(X509_get_default_cert_dir())) {
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const auto chain = read_chain(text.str());
    if (chain && chain->size() == 1) known += roots.signed_it(chain->front().get()) ? 1 : 0;
    if (known == 3) break;
  }
  EXPECT_EQ(known, 3u);
  const auto stranger = make_root("Nobody");
  TlsConfig files{"a.pem", "a.key"};
  const auto leaf = make_leaf("shop.test", stranger);
  EXPECT_FALSE(inspect(files, {leaf.certificate, leaf.key}, roots, ::time(nullptr)));
}

}  // namespace
}  // namespace fleet::tls
