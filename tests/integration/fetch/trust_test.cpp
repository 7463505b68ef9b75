// What must vouch for a build, and what points to one.
#include <filesystem>
#include <fstream>
#include <map>

#include "archives.hpp"
#include "fetch_test.hpp"
#include "server.hpp"
#include "signer.hpp"

namespace fleet::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using enum wire::FetchPhase;

const std::string kBuild = make_archive(".tar.gz", {{"bin/server", "#!/bin/sh\n", AE_IFREG, 0755}});
const std::string kOther = make_archive(".tar.gz", {{"bin/server", "#!/bin/sh\nevil\n", AE_IFREG, 0755}});

// Files by path; what is not there is 404.
class Files {
 public:
  explicit Files(std::map<std::string, std::string> files, bool tls = false)
      : files_(std::move(files)), server_([this](const Request& request, Connection& to) { answer(request, to); }, tls) {}

  std::string url(const std::string& path) const { return server_.url(path); }
  const std::string& certificate() const { return server_.certificate_pem(); }
  std::vector<std::string> asked() const {
    std::vector<std::string> out;
    for (const auto& request : server_.requests()) out.push_back(request.path);
    return out;
  }
  std::vector<Request> requests() const { return server_.requests(); }

 private:
  void answer(const Request& request, Connection& to) {
    const auto file = files_.find(request.path);
    if (file == files_.end()) return to.answer("404 Not Found", "nothing");
    const auto etag = "\"" + sha256_of(file->second).substr(0, 16) + "\"";
    const auto asked = request.headers.find("if-none-match");
    if (asked != request.headers.end() && asked->second == etag) {
      to.send("HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: " + etag + "\r\n\r\n");
      return;
    }
    to.answer("200 OK", file->second, "ETag: " + etag + "\r\n");
  }

  std::map<std::string, std::string> files_;
  Server server_;
};

class TrustTest : public FetchTest {
 protected:
  wire::FetchJob signed_job(const std::string& url, const Signer& signer) const {
    auto out = job(url);
    out.trusted_keys = {signer.public_key()};
    return out;
  }
  void expect_released(const Fetched& fetched) {
    ASSERT_TRUE(fetched.done) << fetched.error();
    EXPECT_EQ(fetched.done->sha256, sha256_of(kBuild));
    EXPECT_EQ(content("bin/server"), "#!/bin/sh\n");
  }
  void expect_refused(const Fetched& fetched, const std::string& why) {
    ASSERT_TRUE(fetched.failed) << fetched.error();
    EXPECT_THAT(fetched.failed->error, HasSubstr(why));
    EXPECT_THAT(releases(), IsEmpty());
  }
  void trust(const Files& files) { env_.push_back("SSL_CERT_FILE=" + put("ca.pem", files.certificate())); }
  static std::string manifest(const std::string& url, const std::string& more = "") {
    return "{\"url\": \"" + url + "\"" + (more.empty() ? "" : ", " + more) + "}";
  }
  static std::string digest_of(const std::string& build) { return "\"sha256\": \"" + sha256_of(build) + "\""; }
};

// -- over plain http ---------------------------------------------------------------------------------------------------

TEST_F(TrustTest, B3_AsksNothingOverHttpWhenNothingVouches) {
  const Files files({{"/app.tgz", kBuild}, {"/app.tgz.sha256", sha256_of(kBuild)}});
  expect_refused(run(files.url("/app.tgz")), "refused over plain http, as nothing vouches for it");
  EXPECT_THAT(files.asked(), IsEmpty());
}

TEST_F(TrustTest, TakesHttpWithADigestOrASignatureOrWhenToldTo) {
  const Signer signer;
  const Files files({{"/app.tgz", kBuild}, {"/app.tgz.minisig", signer.sign(kBuild)}});
  auto wanted = job(files.url("/app.tgz"));
  wanted.sha256 = sha256_of(kBuild);
  expect_released(run(wanted));
  release_ = root_ + "/releases/2";
  expect_released(run(signed_job(files.url("/app.tgz"), signer)));
  release_ = root_ + "/releases/3";
  wanted = job(files.url("/app.tgz"));
  wanted.allow_insecure = true;
  expect_released(run(wanted));
}

TEST_F(TrustTest, B3_ManifestOverHttpsVouchesForABuildOverHttpByItsDigestOnly) {
  const Files plain({{"/app.tgz", kBuild}});
  const Files secure({{"/latest", manifest(plain.url("/app.tgz"), digest_of(kBuild))},
                      {"/without", manifest(plain.url("/app.tgz"))}}, true);
  trust(secure);
  expect_refused(run(secure.url("/without")), "refused over plain http");
  EXPECT_THAT(plain.asked(), IsEmpty());
  expect_released(run(secure.url("/latest")));
}

TEST_F(TrustTest, B3_ManifestOverHttpVouchesForNothing) {
  const Files files({{"/latest", manifest("/app.tgz", digest_of(kBuild))}, {"/app.tgz", kBuild}});
  expect_refused(run(files.url("/latest")), "refused over plain http");
}

// -- digests -----------------------------------------------------------------------------------------------------------

TEST_F(TrustTest, B3_RefusesWhatIsNotOfTheDigestBesideIt) {
  const Files files({{"/good.tgz", kBuild},
                     {"/good.tgz?token=x", kBuild},
                     {"/good.tgz.sha256?token=x", sha256_of(kBuild) + "  good.tgz\n"},
                     {"/bad.tgz", kBuild},
                     {"/bad.tgz.sha256", sha256_of(kOther) + "\n"},
                     {"/odd.tgz", kBuild},
                     {"/odd.tgz.sha256", "<html>no such file</html>"}}, true);
  trust(files);
  expect_refused(run(files.url("/bad.tgz")), "sha256 mismatch: expected " + sha256_of(kOther));
  expect_refused(run(files.url("/odd.tgz")), "odd.tgz.sha256: it has no digest");
  expect_released(run(files.url("/good.tgz?token=x")));
  EXPECT_EQ(files.asked().back(), "/good.tgz.sha256?token=x");
}

TEST_F(TrustTest, LooksForADigestBesideAFile) {
  put("app.tgz.sha256", sha256_of(kOther));
  expect_failed(run(put("app.tgz", kBuild)), verify, "sha256 mismatch");
  put("app.tgz.sha256", sha256_of(kBuild));
  expect_released(run(root_ + "/app.tgz"));
}

TEST_F(TrustTest, B3_RefusesOneFlippedBit) {
  auto flipped = kBuild;
  flipped[flipped.size() / 2] ^= 1;
  auto wanted = job(put("app.tgz", flipped));
  wanted.sha256 = sha256_of(kBuild);
  expect_failed(run(wanted), verify, "sha256 mismatch");
}

// -- signatures --------------------------------------------------------------------------------------------------------

TEST_F(TrustTest, TakesABuildThatATrustedKeySignedEitherWay) {
  const Signer other("abcdefgh"), signer;
  for (const bool prehashed : {true, false}) {
    put("app.tgz.minisig", signer.sign(kBuild, prehashed, "version 7\tof shop"));
    auto wanted = signed_job(put("app.tgz", kBuild), other);
    wanted.trusted_keys.push_back(signer.public_key());
    release_ = wanted.destination = root_ + (prehashed ? "/releases/1" : "/releases/2");
    const auto fetched = run(wanted);
    expect_released(fetched);
    EXPECT_EQ(fetched.done->signed_by, "3837363534333231 (version 7 of shop)");
  }
}

TEST_F(TrustTest, B3_RefusesABuildThatNobodySignedBeforeItIsUnpacked) {
  const Signer signer;
  const Files files({{"/app.tgz", kBuild}}, true);
  trust(files);
  expect_failed(run(signed_job(put("app.tgz", kBuild), signer)), download, "not signed: ");
  expect_failed(run(signed_job(files.url("/app.tgz"), signer)), download, "app.tgz.minisig: server answered 404");
}

TEST_F(TrustTest, B3_RefusesAWrongSignature) {
  const Signer signer, stranger("87654321"), impostor;  // the last with the same id
  const auto build = put("app.tgz", kBuild);
  const auto refusal = [&](const std::string& signature, const std::string& why) {
    put("app.tgz.minisig", signature);
    const auto fetched = run(signed_job(build, signer));
    expect_refused(fetched, why);
  };
  refusal(signer.sign(kOther), "it is not of this build");
  refusal(signer.sign(kOther, false), "it is not of this build");
  refusal(impostor.sign(kBuild), "it is not of this build");
  refusal(stranger.sign(kBuild), "which is not in trusted_keys");
  auto changed = signer.sign(kBuild);
  changed.replace(changed.find("file:build"), 10, "file:other");
  refusal(changed, "its trusted comment was changed");
  refusal("", "it has not the four lines");
  refusal("<html>", "it has not the four lines");
  refusal(std::string(100'000, 'x'), "larger than the limit");
}

TEST_F(TrustTest, B3_DigestDoesNotStandInForASignature) {
  const Signer signer;
  auto wanted = signed_job(put("app.tgz", kBuild), signer);
  wanted.sha256 = sha256_of(kBuild);
  expect_refused(run(wanted), "not signed: ");
  put("app.tgz.minisig", signer.sign(kBuild));
  wanted.sha256 = sha256_of(kOther);
  expect_failed(run(wanted), verify, "sha256 mismatch");
}

TEST_F(TrustTest, RefusesAFolderWhereSignaturesAreAskedFor) {
  std::filesystem::create_directory(root_ + "/folder");
  put("folder/a", "1");
  expect_refused(run(signed_job(root_ + "/folder", Signer())), "a folder has no signature");
}

// -- pointers ----------------------------------------------------------------------------------------------------------

TEST_F(TrustTest, FollowsAManifestAndSaysWhatItSaid) {
  const Files files({{"/ci/latest.json", manifest("builds/app-2.1.tgz", digest_of(kBuild) + ", \"version\": \"2.1\"")},
                     {"/ci/builds/app-2.1.tgz", kBuild}}, true);
  trust(files);
  const auto fetched = run(files.url("/ci/latest.json"));
  expect_released(fetched);
  EXPECT_EQ(fetched.done->version, "2.1");
  EXPECT_EQ(fetched.done->url, files.url("/ci/builds/app-2.1.tgz"));
  EXPECT_THAT(files.asked(), ElementsAre("/ci/latest.json", "/ci/builds/app-2.1.tgz"));
}

TEST_F(TrustTest, FollowsATextOfAUrl) {
  const Files files({{"/app.tgz", kBuild}}, true);
  trust(files);
  expect_released(run(put("LATEST", files.url("/app.tgz") + "\n")));
}

TEST_F(TrustTest, B3_RefusesWhatIsNotOfTheManifestsDigest) {
  put("app.tgz", kOther);
  expect_failed(run(put("latest.json", manifest("app.tgz", digest_of(kBuild)))), verify, "sha256 mismatch");
}

TEST_F(TrustTest, TakesTheSignatureThatTheManifestHoldsOrNames) {
  const Signer signer;
  put("app.tgz", kBuild);
  put("elsewhere.sig", signer.sign(kBuild));
  auto inline_signature = signer.sign(kBuild);
  for (std::size_t at = 0; (at = inline_signature.find('\n', at)) != inline_signature.npos;) {
    inline_signature.replace(at, 1, "\\n");
  }
  int number = 0;
  for (const auto& said : {std::string("elsewhere.sig"), inline_signature}) {
    release_ = root_ + "/releases/" + std::to_string(++number);
    const auto fetched =
        run(signed_job(put("latest.json", manifest("app.tgz", "\"signature\": \"" + said + "\"")), signer));
    expect_released(fetched);
    EXPECT_THAT(fetched.done->signed_by, HasSubstr("3837363534333231"));
  }
}

TEST_F(TrustTest, RefusesALowerVersionUnlessForced) {
  put("app.tgz", kBuild);
  auto wanted = job(put("latest.json", manifest("app.tgz", "\"version\": \"1.9.3\"")));
  wanted.version = "1.10.0";
  expect_refused(run(wanted), "version 1.9.3 is lower than 1.10.0, which is current (deploy --force goes back)");
  wanted.version = "1.9.3";
  expect_released(run(wanted));
  release_ = wanted.destination = root_ + "/releases/2";
  wanted.version = "";  // as fleetd says it when forced
  expect_released(run(wanted));
}

TEST_F(TrustTest, FollowsOnlyOnePointer) {
  put("b.json", manifest("a.json"));
  expect_refused(run(put("a.json", manifest("b.json"))), "it points further");
}

TEST_F(TrustTest, NeverFollowsAServerToAFileOrToS3) {
  const Files files({{"/file", manifest("file:///etc/hostname")},
                     {"/text", "file:///etc/hostname"},
                     {"/s3", manifest("s3://bucket/key")},
                     {"/ftp", manifest("ftp://127.0.0.1/x")}}, true);
  trust(files);
  expect_refused(run(files.url("/file")), "it points to a local file; refused");
  expect_refused(run(files.url("/text")), "it points to a local file; refused");
  expect_refused(run(files.url("/s3")), "it points to s3");
  expect_refused(run(files.url("/ftp")), "cannot fetch by ftp");
}

TEST_F(TrustTest, RefusesAManifestThatIsNotRight) {
  expect_refused(run(put("latest.json", "{\"url\": 1}")), "latest.json: manifest refused: \"url\" is a number");
  expect_refused(run(put("latest.json", "{}")), "it has no \"url\"");
}

TEST_F(TrustTest, SendsTheAuthorizationToItsOriginOnly) {
  const Files elsewhere({{"/app.tgz", kBuild}});
  const Files files({{"/latest", manifest(elsewhere.url("/app.tgz"), digest_of(kBuild))},
                     {"/here", manifest("/app.tgz", digest_of(kBuild))},
                     {"/app.tgz", kBuild}});
  auto wanted = job(files.url("/latest"));
  wanted.allow_insecure = true;
  wanted.authorization = "Bearer t0ken";
  expect_released(run(wanted));
  EXPECT_EQ(files.requests().at(0).headers.at("authorization"), "Bearer t0ken");
  EXPECT_FALSE(elsewhere.requests().at(0).headers.contains("authorization"));
  release_ = wanted.destination = root_ + "/releases/2";
  wanted.url = files.url("/here");
  expect_released(run(wanted));
  EXPECT_EQ(files.requests().back().headers.at("authorization"), "Bearer t0ken");
}

// -- looking only ------------------------------------------------------------------------------------------------------

TEST_F(TrustTest, LooksWhereAPointerLeadsWithoutGoingThere) {
  const Files files({{"/latest", manifest("/app.tgz", digest_of(kBuild) + ", \"version\": \"3\"")}}, true);
  trust(files);
  auto wanted = job(files.url("/latest"));
  wanted.look_only = true;
  const auto first = run(wanted);
  ASSERT_TRUE(first.done) << first.error();
  EXPECT_EQ(first.done->url, files.url("/app.tgz"));
  EXPECT_EQ(first.done->version, "3");
  EXPECT_EQ(first.done->sha256, sha256_of(kBuild));
  EXPECT_FALSE(first.done->unchanged);
  EXPECT_THAT(first.done->etag, Not(IsEmpty()));
  wanted.known_etag = first.done->etag;
  const auto second = run(wanted);
  ASSERT_TRUE(second.done) << second.error();
  EXPECT_TRUE(second.done->unchanged);
  EXPECT_EQ(second.done->etag, first.done->etag);
  EXPECT_THAT(releases(), IsEmpty());
  EXPECT_THAT(files.asked(), ElementsAre("/latest", "/latest"));
}

TEST_F(TrustTest, FetchesNothingThatIsAsItWas) {
  const Files files({{"/latest", manifest("/app.tgz")}, {"/app.tgz", kBuild}}, true);
  trust(files);
  auto wanted = job(files.url("/latest"));
  const auto first = run(wanted);
  expect_released(first);
  release_ = root_ + "/releases/2";
  wanted = job(files.url("/latest"));
  wanted.known_etag = first.done->etag;
  const auto second = run(wanted);
  ASSERT_TRUE(second.done) << second.error();
  EXPECT_TRUE(second.done->unchanged);
  EXPECT_THAT(releases(), ElementsAre("1"));
}

TEST_F(TrustTest, LooksAtALargeBuildByItsETagAlone) {
  const Files files({{"/app.tgz", std::string(10u << 20, 'x')}}, true);
  trust(files);
  auto wanted = job(files.url("/app.tgz"));
  wanted.look_only = true;
  const auto fetched = run(wanted);
  ASSERT_TRUE(fetched.done) << fetched.error();
  EXPECT_THAT(fetched.done->etag, Not(IsEmpty()));
  EXPECT_EQ(fetched.done->url, "");
}

TEST_F(TrustTest, LooksAtAFileByItsTimes) {
  auto wanted = job(put("app.tgz", kBuild));
  wanted.look_only = true;
  wanted.known_etag = run(wanted).done.value().etag;
  EXPECT_TRUE(run(wanted).done.value().unchanged);
  put("app.tgz", kBuild + "more");
  EXPECT_FALSE(run(wanted).done.value().unchanged);
}

}  // namespace
}  // namespace fleet::test
