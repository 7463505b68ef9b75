#include <gmock/gmock.h>

#include "config/values.hpp"
#include "read.hpp"

namespace fleet::config::test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

const std::string kApp = "[app.shop]\ncommand = [\"x\"]\n";

TEST(SecretKeys, NameFilesAndCredentials) {
  const auto config =
      parse(kApp + "env_file = \"shop.env\"\n[app.shop.secrets]\nDB = \"/run/db\"\nKEY = \"credential:shop.key\"\n",
            "fleet.toml", user());
  ASSERT_TRUE(config) << config.error().error().text;
  const auto& app = config->apps.front();
  EXPECT_EQ(app.env_file, "/etc/fleet/shop.env");
  EXPECT_EQ(app.secrets.at("DB"), "/run/db");
  EXPECT_EQ(app.secrets.at("KEY"), "credential:shop.key");
}

TEST(SecretKeys, AreRefusedWhereTheyNameNothing) {
  const auto secrets = kApp + "env = { A = \"1\" }\n[app.shop.secrets]\n";
  EXPECT_THAT(problems(secrets + "A = \"/a\""),
              ElementsAre("fleet.toml:5:5: app \"shop\": secrets: A is in env already"));
  EXPECT_THAT(problems(secrets + "PORT = \"/a\""),
              ElementsAre(StartsWith("fleet.toml:5:1: app \"shop\": secrets: PORT is set by")));
  for (const auto* bad : {"credential:", "credential:../x", "credential:a/b", "credential:.x"}) {
    EXPECT_THAT(problems(secrets + "B = \"" + bad + "\""),
                ElementsAre(StartsWith("fleet.toml:5:5: app \"shop\": secrets.B: \"" + std::string(bad) +
                                       "\" names no credential")));
  }
}

TEST(SecretKeys, TellCredentialsFromFiles) {
  EXPECT_EQ(credential_name("credential:db"), "db");
  EXPECT_FALSE(credential_name("/credential:db"));
  EXPECT_FALSE(credential_name("credential:" + std::string(256, 'a')));
}

}  // namespace
}  // namespace fleet::config::test
