#include "secrets.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "instances.hpp"
#include "temp_dir.hpp"

namespace fleet {
namespace {

struct SecretFiles : TempDir {
  SecretFiles() {
    paths.state = dir;
    app.name = "shop";
    app.command = {"./bin/server"};
  }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    TempDir::write(name, text);
    const auto path = dir + "/" + name;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string complaint() const {
    const auto read = read_secrets(app);
    return read ? "" : read.error().text;
  }
  Paths paths;
  AppConfig app;
};

TEST_F(SecretFiles, AreReadAfreshWithoutTheirLastLinesEnd) {
  app.secrets = {{"DB_PASSWORD", write("db", "hunter2\n")}, {"KEY", write("key", "two\nlines\r\n")}};
  auto env = read_secrets(app);
  ASSERT_TRUE(env) << env.error().text;
  EXPECT_EQ(env->at("DB_PASSWORD"), "hunter2");
  EXPECT_EQ(env->at("KEY"), "two\nlines");
  write("db", "hunter3");
  EXPECT_EQ(read_secrets(app)->at("DB_PASSWORD"), "hunter3");
}

TEST_F(SecretFiles, ThatOthersMayReadOrWriteAreRefusedAndNotShown) {
  const auto path = write("db", "hunter2\n");
  app.secrets = {{"DB_PASSWORD", path}};
  for (const mode_t mode : {0604, 0602, 0601, 0620, 0777}) {
    ::chmod(path.c_str(), mode);
    EXPECT_NE(complaint().find("secrets.DB_PASSWORD: " + path + ": "), std::string::npos) << complaint();
    EXPECT_EQ(complaint().find("hunter2"), std::string::npos);
  }
  ::chmod(path.c_str(), 0640);
  EXPECT_EQ(complaint(), "") << "fleetd's own group may read it";
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(path.c_str(), 0, 12345), 0);
  EXPECT_NE(complaint().find("group 12345 may read it"), std::string::npos) << complaint();
  ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
  EXPECT_NE(complaint().find("belongs to uid 12345"), std::string::npos) << complaint();
}

TEST_F(SecretFiles, ThatAreNoSmallFilesAreRefused) {
  app.secrets = {{"A", dir + "/none"}};
  EXPECT_NE(complaint().find("no such file"), std::string::npos) << complaint();
  app.secrets = {{"A", dir}};
  EXPECT_NE(complaint(), "");
  app.secrets = {{"A", write("large", std::string((64u << 10) + 1, 'x'))}};
  EXPECT_NE(complaint().find("64 KiB"), std::string::npos) << complaint();
  app.secrets = {{"A", write("nul", std::string("a\0b", 3))}};
  EXPECT_NE(complaint().find("NUL"), std::string::npos) << complaint();
  const auto fifo = dir + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  app.secrets = {{"A", fifo}};
  EXPECT_NE(complaint().find("not a file"), std::string::npos) << complaint();
}

TEST_F(SecretFiles, MayBeSystemdsCredentials) {
  app.secrets = {{"A", "credential:db"}};
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_NE(complaint().find("systemd has given fleetd none"), std::string::npos) << complaint();
  write("db", "hunter2");
  ::setenv("CREDENTIALS_DIRECTORY", dir.c_str(), 1);
  EXPECT_EQ(read_secrets(app)->at("A"), "hunter2");
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(SecretFiles, GoBeforeTheEnvFileAndThatBeforeEnv) {
  app.env = {{"A", "env"}, {"B", "env"}, {"C", "env"}};
  app.env_file =
      write("env", "# of the shop\nB = file\nC=file\nexport=1\n\n; more\nQUOTED=\"a # b\"\nSINGLE=' x '\nEMPTY=\n");
  app.secrets = {{"C", write("c", "secret")}};
  plan::Instance instance;
  instance.id = "shop-v1-1";
  const auto launch = launch_of(paths, app, instance);
  ASSERT_TRUE(launch) << launch.error().text;
  EXPECT_EQ(launch->env.at("A"), "env");
  EXPECT_EQ(launch->env.at("B"), "file");
  EXPECT_EQ(launch->env.at("C"), "secret");
  EXPECT_EQ(launch->env.at("QUOTED"), "a # b");
  EXPECT_EQ(launch->env.at("SINGLE"), " x ");
  EXPECT_EQ(launch->env.at("EMPTY"), "");
}

TEST_F(SecretFiles, OfBadLinesTellTheNumberAndNothingElse) {
  for (const auto* line : {"hunter2", "1A=hunter2", "PORT=hunter2", "=hunter2"}) {
    app.env_file = write("env", std::string("A=1\n") + line + "\n");
    EXPECT_NE(complaint().find("env_file: " + app.env_file + ": line 2: "), std::string::npos) << complaint();
    EXPECT_EQ(complaint().find("hunter2"), std::string::npos) << complaint();
  }
}

TEST_F(SecretFiles, ChangeTheDigestOfTheEnvironmentWhichOthersCannotMake) {
  app.env = {{"A", "1"}};
  app.secrets = {{"B", write("b", "hunter2")}};
  const auto first = environment_digest(paths, app);
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_EQ(first->size(), 16u);
  EXPECT_EQ(*environment_digest(paths, app), *first);
  write("b", "hunter3");
  EXPECT_NE(*environment_digest(paths, app), *first);
  write("b", "hunter2");
  EXPECT_EQ(*environment_digest(paths, app), *first);
  struct stat is {};
  ASSERT_EQ(::stat(paths.environment_key().c_str(), &is), 0);
  EXPECT_EQ(is.st_mode & 0777, 0600u);
  ASSERT_EQ(::unlink(paths.environment_key().c_str()), 0);
  EXPECT_NE(*environment_digest(paths, app), *first) << "under another key";
}

}  // namespace
}  // namespace fleet
