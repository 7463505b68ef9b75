#include "keyring.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "net/task_group.hpp"
#include "support/certificates/certificates.hpp"
#include "run.hpp"

namespace fleet {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kHour = 3600;

// Workers that take what they are told, or do not.
class KeyringUnderTest : public ::testing::Test {
 protected:
  KeyringUnderTest() {
    std::string pattern = (fs::temp_directory_path() / "fleetd-keys-XXXXXX").string();
    dir = ::mkdtemp(pattern.data());
    config.proxy.https = {{"127.0.0.1", 443}};
  }
  ~KeyringUnderTest() override {
    tasks.cancel();
    io.restart();
    io.run_for(1s);
    fs::remove_all(dir);
  }
  void write(const std::string& name, const std::string& host) {
    const auto issued = test::issue({.name = host, .hosts = {host}, .until_days = 90});
    std::ofstream(dir + "/" + name + ".pem") << issued.certificate;
    std::ofstream(dir + "/" + name + ".key") << issued.key;
  }
  TlsConfig files(const std::string& name) const { return {dir + "/" + name + ".pem", dir + "/" + name + ".key"}; }
  net::Task<Result<std::vector<wire::RefusedCertificate>>> take(wire::Keys keys) {
    told.push_back(std::move(keys));
    if (!answering) co_return fail("worker-0 does not answer");
    co_return std::vector<wire::RefusedCertificate>();
  }
  template <class Condition>
  bool until(Condition condition, std::chrono::milliseconds limit = 8s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!condition() && std::chrono::steady_clock::now() < end) io.run_one_for(50ms), io.restart();
    return condition();
  }
  std::vector<std::string> types() const {
    std::vector<std::string> all;
    for (const auto& event : events) all.emplace_back(name(event.type));
    return all;
  }

  std::string dir;
  Config config;
  net::asio::io_context io;
  net::TaskGroup tasks{io};
  std::int64_t now = Keyring::wall_clock();
  std::vector<wire::Keys> told;
  std::vector<api::EventView> events;
  bool answering = true;
  Keyring keyring{io, dir, [this](wire::Keys keys) { return take(std::move(keys)); },
                  [this](api::EventView event) { events.push_back(std::move(event)); }, [this] { return now; }};
};

TEST_F(KeyringUnderTest, TellsWorkersOfAChangedFileWithoutBeingAsked) {
  write("a", "old.test");
  config.tls = {files("a")};
  const auto first = keyring.begin(config, {});
  ASSERT_EQ(first.certificates.size(), 1u);
  ASSERT_EQ(first.ticket_keys.size(), 1u);
  tasks.spawn(keyring.keep_current());
  EXPECT_FALSE(until([&] { return !told.empty(); }, 300ms));
  write("a", "new.test");
  ASSERT_TRUE(until([&] { return !told.empty(); }));
  EXPECT_EQ(told.size(), 1u) << "both files in one";
  EXPECT_NE(told[0].certificates, first.certificates);
  EXPECT_EQ(told[0].ticket_keys, first.ticket_keys);
  EXPECT_THAT(types(), ElementsAre("certificate.renewed"));
  EXPECT_EQ(events[0].data.certificate, dir + "/a.pem");
}

TEST_F(KeyringUnderTest, KeepsTheFormerVersionOfOneThatIsBadNow) {
  write("a", "a.test");
  config.tls = {files("a")};
  keyring.begin(config, {});
  tasks.spawn(keyring.keep_current());
  until([] { return false; }, 100ms);
  std::ofstream(dir + "/a.pem") << "nonsense";
  ASSERT_TRUE(until([&] { return !events.empty(); }));
  EXPECT_THAT(types(), ElementsAre("certificate.refused"));
  EXPECT_TRUE(told.empty()) << "nothing has changed for workers";
  EXPECT_EQ(keyring.view()[0].state, api::CertificateState::former);
  EXPECT_THAT(keyring.view()[0].problem, HasSubstr("a.pem: holds no PEM certificate"));
}

TEST_F(KeyringUnderTest, ChangesTicketKeysInTwoStepsEveryTwelveHours) {
  write("a", "a.test");
  config.tls = {files("a")};
  const auto first = keyring.begin(config, {}).ticket_keys;
  now += 13 * kHour;
  tasks.spawn(keyring.keep_current());
  until([] { return false; }, 100ms);
  write("a", "b.test");  // so that it looks now, and not within a minute
  ASSERT_TRUE(until([&] { return told.size() == 3; }));
  const auto &announced = told[1], &promoted = told[2];
  ASSERT_EQ(announced.ticket_keys.size(), 2u);
  EXPECT_EQ(announced.ticket_keys[0], first[0]) << "all know the new one before it encrypts";
  EXPECT_THAT(promoted.ticket_keys, ElementsAre(announced.ticket_keys[1], first[0]));
  EXPECT_EQ(promoted.ticket_keys_since, now);
}

TEST_F(KeyringUnderTest, PromotesNoTicketKeyThatAWorkerMayNotKnow) {
  write("a", "a.test");
  config.tls = {files("a")};
  const auto first = keyring.begin(config, {}).ticket_keys;
  now += 13 * kHour;
  answering = false;
  tasks.spawn(keyring.keep_current());
  until([] { return false; }, 100ms);
  write("a", "b.test");
  ASSERT_TRUE(until([&] { return told.size() == 2; }));
  EXPECT_FALSE(until([&] { return told.size() > 2; }, 500ms));
  EXPECT_EQ(told[1].ticket_keys[0], first[0]);
}

TEST_F(KeyringUnderTest, GoesOnWithWhatWorkersHaveOfAFormerFleetd) {
  write("a", "a.test");
  config.tls = {files("a")};
  auto held = keyring.begin(config, {});
  held.ticket_keys_since = now - kHour;
  std::ofstream(dir + "/a.pem") << "nonsense";
  Keyring next(io, dir, [this](wire::Keys keys) { return take(std::move(keys)); },
               [this](api::EventView event) { events.push_back(std::move(event)); }, [this] { return now; });
  const auto again = next.begin(config, {held});
  EXPECT_EQ(again.ticket_keys, held.ticket_keys) << "tickets are good across a restart of fleetd";
  EXPECT_EQ(again.ticket_keys_since, held.ticket_keys_since);
  EXPECT_EQ(again.certificates, held.certificates);
}

}  // namespace
}  // namespace fleet
