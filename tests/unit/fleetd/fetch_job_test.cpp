#include "fetch_job.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "poll_pace.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class FetchJob : public ::testing::Test {
 protected:
  ~FetchJob() override { std::filesystem::remove(path_); }
  void write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), mode);
  }
  std::string path_ = std::filesystem::temp_directory_path() / ("fleet-secret-" + std::to_string(::getpid()));
};

TEST_F(FetchJob, TakesTheAuthorizationFromItsFile) {
  write("Bearer t0ken\n");
  FetchConfig config;
  config.authorization_file = path_;
  const auto job = fetch_job(config, "https://ci/x");
  ASSERT_TRUE(job) << job.error().text;
  EXPECT_EQ(job->authorization, "Bearer t0ken");
}

TEST_F(FetchJob, RefusesASecretThatEverybodyCanReadOrThatIsNotThere) {
  FetchConfig config;
  config.authorization_file = path_;
  EXPECT_THAT(fetch_job(config, "https://ci/x").error().text, HasSubstr(path_));
  write("Bearer t0ken\n", 0644);
  EXPECT_THAT(fetch_job(config, "https://ci/x").error().text, HasSubstr("open to everybody"));
  write("Bearer t0ken\nX-More: 1\n");
  EXPECT_THAT(fetch_job(config, "https://ci/x").error().text, HasSubstr("not one line"));
}

TEST_F(FetchJob, TakesANetrcThatNotEverybodyCanRead) {
  write("machine ci login bot password s3cret\n");
  FetchConfig config;
  config.netrc = path_;
  EXPECT_EQ(fetch_job(config, "https://ci/x")->netrc, "machine ci login bot password s3cret\n");
  write("machine ci\n", 0644);
  EXPECT_THAT(fetch_job(config, "https://ci/x").error().text, HasSubstr("open to everybody"));
}

TEST(FetchConfinement, LeavesLocalFilesToThoseOnTheMachineUnlessThereAreRoots) {
  Config config;
  wire::FetchJob local, remote, rooted;
  ASSERT_TRUE(confine_fetch(config, false, local));
  EXPECT_FALSE(local.rooted);
  ASSERT_TRUE(confine_fetch(config, true, remote));
  EXPECT_TRUE(remote.rooted);
  EXPECT_TRUE(remote.roots.empty());
  config.file_roots = {"/srv/builds"};
  ASSERT_TRUE(confine_fetch(config, false, rooted));
  EXPECT_TRUE(rooted.rooted);
  EXPECT_EQ(rooted.roots, config.file_roots);
}

TEST(FetchConfinement, HasAUserOfItsOwnUnderRoot) {
  Config config;
  wire::FetchJob job;
  ASSERT_TRUE(confine_fetch(config, false, job));
  EXPECT_EQ(job.uid == 0, ::geteuid() != 0);
  if (::geteuid() != 0) return;
  config.fetch_user = "no-such-user";
  EXPECT_THAT(confine_fetch(config, false, job).error().text, HasSubstr("no-such-user"));
}

TEST_F(FetchJob, TakesS3CredentialsFromTheirFileWhereTheyAreNeeded) {
  write("[default]\n# of the build server\naws_access_key_id = AKID\naws_secret_access_key=s+/=\n\n[other]\naws_access_key_id = no\n");
  FetchConfig config;
  config.s3_credentials_file = path_;
  const auto job = fetch_job(config, "s3://builds/x");
  ASSERT_TRUE(job) << job.error().text;
  EXPECT_EQ(job->s3.key_id, "AKID");
  EXPECT_EQ(job->s3.secret, "s+/=");
  EXPECT_EQ(job->s3.region, "us-east-1");
  EXPECT_EQ(fetch_job(config, "https://ci/x")->s3.key_id, "");
}

TEST(PollPace, IsThePollGiveOrTakeATenth) {
  EXPECT_EQ(next_look(60s, 0, 0), 54s);
  EXPECT_EQ(next_look(60s, 0, 0.5), 60s);
  EXPECT_EQ(next_look(60s, 0, 1), 66s);
}

TEST(PollPace, DoublesWithEachFailureUpToAnHour) {
  EXPECT_EQ(next_look(60s, 1, 0.5), 2min);
  EXPECT_EQ(next_look(60s, 3, 0.5), 8min);
  EXPECT_EQ(next_look(60s, 1'000'000, 0.5), 1h);
  EXPECT_EQ(next_look(6h, 5, 0.5), 6h);
}

}  // namespace
}  // namespace fleet
