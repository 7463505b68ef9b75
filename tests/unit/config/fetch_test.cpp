#include <gmock/gmock.h>

#include "read.hpp"

namespace fleet::config::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

const std::string kKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

FetchConfig read(const std::string& lines) {
  const auto config = parse("[app.shop]\ncommand = [\"x\"]\n" + lines, "fleet.toml", user());
  EXPECT_TRUE(config) << config.error().lines().front();
  return config ? config->apps.front().fetch : FetchConfig();
}

std::string problem(const std::string& lines) {
  const auto found = problems("[app.shop]\ncommand = [\"x\"]\n" + lines);
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? "" : found.front();
}

TEST(Fetch, SaysWhereBuildsComeFromAndWhoSignsThem) {
  const auto fetch = read("source = \"https://ci/latest.json\"\npoll = \"1m\"\ntrusted_keys = [\"" + kKey +
                          "\"]\nallow_insecure = true\nunpack = true\n[app.shop.fetch]\nmax_download = \"2GiB\"\n"
                          "authorization_file = \"ci.token\"\ns3_endpoint = \"http://127.0.0.1:9000/\"\n");
  EXPECT_EQ(fetch.source, "https://ci/latest.json");
  EXPECT_EQ(fetch.poll, std::chrono::minutes(1));
  EXPECT_THAT(fetch.trusted_keys, ElementsAre(kKey));
  EXPECT_TRUE(fetch.allow_insecure);
  EXPECT_TRUE(fetch.unpack);
  EXPECT_EQ(fetch.max_download, 2ull << 30);
  EXPECT_EQ(fetch.authorization_file, "/etc/fleet/ci.token");
  EXPECT_EQ(fetch.s3_endpoint, "http://127.0.0.1:9000");
}

TEST(Fetch, IsStrictUnlessToldOtherwise) {
  const auto fetch = read("");
  EXPECT_EQ(fetch.poll.count(), 0);
  EXPECT_FALSE(fetch.allow_insecure);
  EXPECT_EQ(fetch.max_download, 1ull << 30);
}

TEST(Fetch, RefusesAKeyThatIsNoneOfMinisigns) {
  for (const auto& key : {std::string("x"), kKey.substr(1), "RWA" + kKey.substr(3), kKey.substr(0, 55) + "="}) {
    EXPECT_THAT(problem("trusted_keys = [\"" + key + "\"]"), StartsWith("fleet.toml:3:17: app \"shop\": trusted_keys: "));
  }
}

TEST(Fetch, RefusesASourceThatCannotBeFetched) {
  for (const char* source : {"ftp://x/y", "builds/x.tgz", "https://", "https://a b/"}) {
    EXPECT_THAT(problem("source = \"" + std::string(source) + "\""), StartsWith("fleet.toml:3:10: app \"shop\": source: "));
  }
  EXPECT_THAT(problem("[app.shop.fetch]\ns3_endpoint = \"https://host/path\""),
              StartsWith("fleet.toml:4:15: app \"shop\": fetch.s3_endpoint: "));
}

TEST(Fetch, PollsNothingWithoutASource) {
  EXPECT_EQ(problem("poll = \"1m\""), "fleet.toml:3:8: app \"shop\": poll: there is no source to poll");
}

}  // namespace
}  // namespace fleet::config::test
