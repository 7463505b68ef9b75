#include "archives.hpp"
#include "fetch_test.hpp"
#include "s3_double.hpp"

namespace fleet::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kId = "AKIDEXAMPLE", kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const std::string kBuild = make_archive(".tar.gz", {{"bin/server", "#!/bin/sh\n", AE_IFREG, 0755}});

class S3Test : public FetchTest {
 protected:
  wire::FetchJob s3_job(const S3Double& store, const std::string& url) const {
    auto out = job(url);
    out.sha256 = sha256_of(kBuild);
    out.s3 = {store.endpoint(), "eu-central-1", kId, kSecret, ""};
    return out;
  }
  void expect_released(const Fetched& fetched) {
    ASSERT_TRUE(fetched.done) << fetched.error();
    EXPECT_EQ(content("bin/server"), "#!/bin/sh\n");
  }
};

TEST_F(S3Test, SignsARequestThatTheStoreAccepts) {
  const S3Double store(kId, kSecret, {{"/builds/shop/app-1.tgz", kBuild}});
  expect_released(run(s3_job(store, "s3://builds/shop/app-1.tgz")));
  EXPECT_THAT(store.requests().at(0).headers.at("authorization"), HasSubstr("/eu-central-1/s3/aws4_request"));
}

TEST_F(S3Test, SendsTheTokenOfASession) {
  const S3Double store(kId, kSecret, {{"/builds/app.tgz", kBuild}});
  auto wanted = s3_job(store, "s3://builds/app.tgz");
  wanted.s3.session_token = "temporary/token+==";
  expect_released(run(wanted));
  EXPECT_EQ(store.requests().at(0).headers.at("x-amz-security-token"), "temporary/token+==");
}

TEST_F(S3Test, TakesKeysOfAnyCharacters) {
  const S3Double store(kId, kSecret, {{"/builds/shop%20v1%2B2%20%28new%29/%C3%A9%25.tgz", kBuild}});
  expect_released(run(s3_job(store, "s3://builds/shop v1+2 (new)/\xc3\xa9%.tgz")));
}

TEST_F(S3Test, TakesFromAPublicBucketWithoutCredentials) {
  const S3Double store(kId, kSecret, {{"/public-builds/app.tgz", kBuild}});
  auto wanted = s3_job(store, "s3://public-builds/app.tgz");
  wanted.s3.key_id = wanted.s3.secret = "";
  expect_released(run(wanted));
  EXPECT_FALSE(store.requests().at(0).headers.contains("authorization"));
}

TEST_F(S3Test, SaysThatTheStoreRefusedAndNoSecret) {
  const S3Double store(kId, kSecret, {{"/builds/app.tgz", kBuild}});
  auto wanted = s3_job(store, "s3://builds/app.tgz");
  wanted.s3.secret = "t0ps3cret";
  const auto refused = run(wanted);
  expect_failed(refused, wire::FetchPhase::download, "s3://builds/app.tgz: server answered 403 Forbidden");
  EXPECT_THAT(refused.error(), Not(HasSubstr("t0ps3cret")));
  expect_failed(run(s3_job(store, "s3://builds/none.tgz")), wire::FetchPhase::download, "404 Not Found");
}

TEST_F(S3Test, FollowsAManifestInTheStore) {
  const S3Double store(kId, kSecret, {{"/builds/latest.json", "{\"url\": \"app-2.tgz\", \"version\": \"2\"}"},
                                      {"/builds/other.json", "{\"url\": \"s3://more/app-2.tgz\"}"},
                                      {"/builds/app-2.tgz", kBuild},
                                      {"/more/app-2.tgz", kBuild}});
  const auto fetched = run(s3_job(store, "s3://builds/latest.json"));
  expect_released(fetched);
  EXPECT_EQ(fetched.done->version, "2");
  release_ = root_ + "/releases/2";
  expect_released(run(s3_job(store, "s3://builds/other.json")));
}

TEST_F(S3Test, RefusesWhatIsNoBucketOrKey) {
  const S3Double store(kId, kSecret, {});
  for (const char* url : {"s3://", "s3://builds", "s3://builds/", "s3://Bu/x", "s3://b/x", "s3://builds/../x", "s3://a@b/x"}) {
    EXPECT_THAT(run(s3_job(store, url)).error(), HasSubstr("not like s3://BUCKET/KEY")) << url;
  }
  EXPECT_TRUE(store.requests().empty());
}

}  // namespace
}  // namespace fleet::test
