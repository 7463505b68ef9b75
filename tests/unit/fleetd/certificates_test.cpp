#include "certificates.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <openssl/pem.h>

#include "support/certificates/certificates.hpp"
#include "temp_dir.hpp"
#include "tls/x509.hpp"

namespace fleet {
namespace {

using test::issue;
using test::Issued;
using Kind = Certificates::Notice::Kind;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = api::CertificateState;

class CertificateFiles : public TempDir {
 protected:
  TlsConfig files(const std::string& name) const {
    TlsConfig files{dir + "/" + name + ".pem", dir + "/" + name + ".key"};
    files.chain = ChainEnd::private_;
    return files;
  }
  // Writes NAME.pem and NAME.key.
  TlsConfig make(const std::string& name, int until_days = 60) {
    return put(name, issue({.name = name, .hosts = {name}, .issuer = &root, .from_days = -60, .until_days = until_days}));
  }
  TlsConfig put(const std::string& name, const Issued& issued) {
    write(name + ".pem", issued.certificate);
    std::filesystem::remove(dir + "/" + name + ".key");
    write(name + ".key", issued.key);
    std::filesystem::permissions(dir + "/" + name + ".key", std::filesystem::perms(0400));
    return files(name);
  }
  static auto notice(Kind kind, const std::string& text) {
    return AllOf(Field(&Certificates::Notice::kind, kind), Field(&Certificates::Notice::text, HasSubstr(text)));
  }
  std::vector<std::string> served() const {
    std::vector<std::string> names;
    for (const auto& pair : certificates.in_force()) {
      const auto chain = tls::read_chain(pair.certificate_pem);
      names.push_back(tls::subject_of(chain->front().get()));
    }
    return names;
  }
  std::vector<State> states() const {
    std::vector<State> all;
    for (const auto& view : certificates.view(now)) all.push_back(view.state);
    return all;
  }
  Certificates::Outcome configure(const std::vector<TlsConfig>& configured, bool https = true) {
    return certificates.configure(configured, https, now);
  }

  const Issued root = test::make_root("Root");
  std::int64_t now = ::time(nullptr);
  Certificates certificates{dir};
};

TEST_F(CertificateFiles, AreReadInTheirOrder) {
  const auto outcome = configure({make("a"), make("b")});
  EXPECT_TRUE(outcome.changed);
  EXPECT_THAT(outcome.notices, IsEmpty());
  EXPECT_THAT(served(), ElementsAre("a", "b"));
  EXPECT_EQ(certificates.in_force()[0].certificate_pem, read("a.pem"));
  EXPECT_EQ(certificates.in_force()[1].key_pem, read("b.key"));
  EXPECT_EQ(certificates.in_force()[1].file, dir + "/b.pem");
  const auto view = certificates.view(now)[0];
  EXPECT_EQ(view.state, State::served);
  EXPECT_THAT(view.names, ElementsAre("a"));
  EXPECT_EQ(view.key, "ECDSA P-256");
  EXPECT_EQ(view.issuer, "Root");
  EXPECT_THAT(certificates.files(), ElementsAre(dir + "/a.pem", dir + "/a.key", dir + "/b.pem", dir + "/b.key"));
}

TEST_F(CertificateFiles, ABadOneLeavesAllOthersServed) {
  const auto a = make("a"), b = make("b"), c = make("c");
  write("b.pem", "nonsense");
  const auto outcome = configure({a, b, c, files("none")});
  EXPECT_THAT(outcome.notices,
              ElementsAre(notice(Kind::refused, "b.pem: holds no PEM certificate (-----BEGIN CERTIFICATE-----); it is not served"),
                          notice(Kind::refused, "none.pem: no such file or directory")));
  EXPECT_THAT(served(), ElementsAre("a", "c"));
  EXPECT_THAT(states(), ElementsAre(State::served, State::refused, State::served, State::refused));
  EXPECT_THAT(certificates.view(now)[1].problem, HasSubstr("b.pem: holds no PEM"));
}

TEST_F(CertificateFiles, OfWhichOneGoesBadServeItsVersionBefore) {
  const auto a = make("a"), b = make("b");
  configure({a, b});
  write("a.pem", read("b.pem"));
  const auto outcome = certificates.refresh(now);
  EXPECT_FALSE(outcome.changed);
  EXPECT_THAT(outcome.notices, ElementsAre(notice(Kind::refused, "a.key: does not belong to certificate 1 (\"b\")")));
  EXPECT_THAT(outcome.notices[0].text, HasSubstr("; the version before it stays in use, until "));
  EXPECT_THAT(served(), ElementsAre("a", "b"));
  EXPECT_THAT(states(), ElementsAre(State::former, State::served));
  EXPECT_THAT(certificates.refresh(now).notices, IsEmpty()) << "it is said once";
  EXPECT_THAT(configure({a, b}).notices, IsEmpty());
  EXPECT_THAT(served(), ElementsAre("a", "b")) << "a reload keeps it too";

  make("a");
  const auto healed = certificates.refresh(now);
  EXPECT_TRUE(healed.changed);
  EXPECT_THAT(healed.notices, ElementsAre(notice(Kind::renewed, "a.pem: in use, until ")));
  EXPECT_THAT(states(), ElementsAre(State::served, State::served));
}

TEST_F(CertificateFiles, ThatWereRemovedStayInUse) {
  configure({make("a")});
  std::filesystem::remove(dir + "/a.pem");
  EXPECT_FALSE(certificates.refresh(now).changed);
  EXPECT_THAT(served(), ElementsAre("a"));
}

TEST_F(CertificateFiles, ThatTheConfigurationNoLongerNamesGo) {
  configure({make("a"), make("b")});
  EXPECT_TRUE(configure({files("b")}).changed);
  EXPECT_THAT(served(), ElementsAre("b"));
}

TEST_F(CertificateFiles, AreTakenUpWhenTheyChange) {
  configure({make("a")});
  const auto before = certificates.in_force();
  EXPECT_FALSE(certificates.refresh(now).changed);
  make("a", 70);
  const auto outcome = certificates.refresh(now);
  EXPECT_TRUE(outcome.changed);
  EXPECT_THAT(outcome.notices, ElementsAre(notice(Kind::renewed, "a.pem: in use")));
  EXPECT_NE(certificates.in_force(), before);
}

TEST_F(CertificateFiles, ReachedThroughASymlinkAreTakenUpWhenItIsSwapped) {
  make("one"), make("two");
  const auto link = [&](const std::string& target) {
    for (const auto* end : {".pem", ".key"}) {
      std::filesystem::remove(dir + "/live" + end);
      std::filesystem::create_symlink(target + end, dir + "/live" + end);
    }
  };
  link("one");
  configure({files("live")});
  EXPECT_THAT(served(), ElementsAre("one"));
  link("two");
  EXPECT_TRUE(certificates.refresh(now).changed);
  EXPECT_THAT(served(), ElementsAre("two"));
}

TEST_F(CertificateFiles, WhoseGoodVersionOnlyWorkersHaveTakeItFromThem) {
  const auto a = make("a");
  configure({a});
  const auto held = certificates.in_force();
  write("a.pem", "nonsense");
  Certificates next(dir);
  next.remember(held);
  const auto outcome = next.configure({a}, true, now);
  EXPECT_THAT(outcome.notices, ElementsAre(notice(Kind::refused, "the version before it stays in use")));
  EXPECT_EQ(next.in_force(), held);
  EXPECT_EQ(next.view(now)[0].state, State::former);
}

TEST_F(CertificateFiles, ThatAWorkerRefusesAreReportedOnce) {
  configure({make("a")});
  const std::vector<wire::RefusedCertificate> refused{{dir + "/a.pem", "no"}, {dir + "/a.pem", "no"}};
  EXPECT_THAT(certificates.refused_by_workers(refused).notices, ElementsAre(notice(Kind::refused, "a.pem: refused by a worker: no")));
  EXPECT_THAT(certificates.refused_by_workers(refused).notices, IsEmpty());
}

TEST_F(CertificateFiles, ExpirySoonIsSpokenOfAtEachStageOnce) {
  constexpr std::int64_t kDay = 24 * 3600;
  const auto outcome = configure({make("a", 13)});
  EXPECT_THAT(outcome.notices, ElementsAre(notice(Kind::expires, "a.pem: expires on ")));
  ASSERT_EQ(outcome.notices.size(), 1u);
  EXPECT_THAT(outcome.notices[0].text, AnyOf(HasSubstr("in 12 days (renew it)"), HasSubstr("in 13 days (renew it)")));
  EXPECT_THAT(states(), ElementsAre(State::expiring));
  EXPECT_THAT(certificates.refresh(now).notices, IsEmpty());
  EXPECT_THAT(certificates.refresh(now + 12 * kDay).notices, ElementsAre(notice(Kind::expires, "in 1 day (renew it)")));
  EXPECT_THAT(certificates.refresh(now + 13 * kDay - 3600).notices, IsEmpty());
  now += 14 * kDay;
  EXPECT_THAT(certificates.refresh(now).notices, ElementsAre(notice(Kind::expires, "a.pem: has expired, on ")));
  EXPECT_THAT(states(), ElementsAre(State::expired));
  EXPECT_THAT(served(), ElementsAre("a"));
}

TEST_F(CertificateFiles, AKeyThatEverybodyMayReadIsWarnedOf) {
  const auto a = make("a");
  std::filesystem::permissions(a.key, std::filesystem::perms(0644));
  EXPECT_THAT(configure({a}).notices, ElementsAre(notice(Kind::warning, "a.key: everybody on this machine may read it (chmod o= it)")));
  EXPECT_THAT(configure({a}).notices, IsEmpty()) << "it is said once";
  EXPECT_THAT(certificates.view(now)[0].warnings, ElementsAre(HasSubstr("a.key: everybody")));
}

TEST_F(CertificateFiles, AKeyWithAPassphraseIsRefusedAndNobodyIsAsked) {
  const auto a = make("a");
  const auto key = tls::read_key(read("a.key"));
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key->get(), EVP_aes_256_cbc(), nullptr, 0, nullptr, const_cast<char*>("secret"));
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::filesystem::remove(a.key);
  write("a.key", std::string(data, static_cast<std::size_t>(size)));
  BIO_free(out);
  EXPECT_THAT(configure({a}, false).notices, ElementsAre(notice(Kind::refused, "a.key: its private key has a passphrase")));
}

TEST_F(CertificateFiles, WithNoneOneForLocalhostIsMadeOnceAndKept) {
  EXPECT_THAT(configure({}).notices, ElementsAre(notice(Kind::warning, "no [[tls]] is configured: https is served with a self-signed")));
  EXPECT_THAT(served(), ElementsAre("localhost"));
  Certificates again(dir);
  again.configure({}, true, now);
  EXPECT_EQ(again.in_force(), certificates.in_force());
  EXPECT_THAT(again.view(now), IsEmpty());
  struct stat info {};
  ASSERT_EQ(::stat((dir + "/localhost.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u) << "nobody else reads the key";
}

TEST_F(CertificateFiles, WithoutAGoodOneFallBackOnTheOneForLocalhostAndBack) {
  EXPECT_THAT(configure({files("none")}).notices,
              ElementsAre(notice(Kind::refused, "none.pem"), notice(Kind::warning, "no certificate of [[tls]] will do: https is served with")));
  EXPECT_THAT(served(), ElementsAre("localhost"));
  make("none");
  EXPECT_TRUE(certificates.refresh(now).changed);
  EXPECT_THAT(served(), ElementsAre("none"));
}

TEST_F(CertificateFiles, TheOneForLocalhostSaysSoByNameAndAddress) {
  configure({});
  const auto chain = tls::read_chain(certificates.in_force()[0].certificate_pem);
  X509* certificate = chain->front().get();
  EXPECT_EQ(X509_check_host(certificate, "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "::1", 0), 1);
  EXPECT_EQ(X509_check_host(certificate, "example.com", 0, 0, nullptr), 0);
}

TEST_F(CertificateFiles, AHalfWrittenOneForLocalhostIsMadeAnew) {
  configure({});
  std::filesystem::remove(dir + "/localhost.pem");
  EXPECT_THAT(Certificates(dir).configure({}, true, now).changed, true);
  write("localhost.pem", "");
  EXPECT_THAT(Certificates(dir).configure({}, true, now).changed, true);
}

TEST_F(CertificateFiles, WithoutHttpsNoneIsMade) {
  configure({}, false);
  EXPECT_THAT(served(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(dir + "/localhost.pem"));
}

}  // namespace
}  // namespace fleet
