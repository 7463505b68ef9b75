// Certificates as operators renew them, and break them.
#include <fstream>

#include "expect.hpp"
#include "support/certificates/certificates.hpp"

namespace fleet::test {
namespace {

class CertificatesOnDisk : public ::testing::Test {
 protected:
  CertificatesOnDisk() { fleet = std::make_unique<Fleet>(setup()); }

  FleetSetup setup() {
    FleetSetup setup;
    for (const std::string host : {"first.example", "second.example"}) {
      renew(host);
      setup.tables += "[[tls]]\ncertificate = \"" + file(host) + ".pem\"\nkey = \"" + file(host) + ".key\"\n";
    }
    return setup;
  }
  std::string file(const std::string& host) const { return place.root() + "/" + host; }
  void renew(const std::string& host, const std::string& name = {}) const {
    const auto issued = issue({.name = name.empty() ? host : name, .hosts = {host}, .until_days = 90});
    std::ofstream(file(host) + ".pem") << issued.certificate;
    std::ofstream(file(host) + ".key") << issued.key;
  }
  std::string shown(const std::string& host) const {
    auto peer = fleet->https();
    peer.server_name = host + ":443";
    const auto connection = Connection::open(peer);
    return connection ? connection->certificate_name() : connection.error().text;
  }
  bool soon(const std::string& host, const std::string& name) const {
    return eventually([&] { return shown(host) == name; });
  }
  std::string state_of_second() const { return fleet->status().at("certificates").at(1).at("state"); }

  const Fleet place;  // for its directory
  std::unique_ptr<Fleet> fleet;
};

TEST_F(CertificatesOnDisk, AreTakenUpUnderLoadWithoutAReloadAndABadOneHarmsNobody) {
  fleet->start();
  ASSERT_TRUE(ended(fleet->deploy({"v1"}), kDone));
  Traffic traffic(*fleet);
  traffic.flow();
  renew("second.example", "renewed");
  EXPECT_TRUE(soon("second.example", "renewed"));
  EXPECT_EQ(shown("first.example"), "first.example");
  traffic.flow();

  std::ofstream(file("second.example") + ".pem") << "nonsense";
  EXPECT_TRUE(eventually([&] { return state_of_second() == "former"; }));
  EXPECT_EQ(shown("second.example"), "renewed");
  EXPECT_NE(fleet->ctl({"status"}).out.find("certificate former: " + file("second.example") + ".pem: holds no PEM"),
            std::string::npos);
  const auto reload = fleet->ctl({"reload"});
  EXPECT_TRUE(ended(reload, kDone));
  EXPECT_NE(reload.out.find("second.example.pem: holds no PEM certificate"), std::string::npos) << reload.out;
  EXPECT_EQ(fleet->ctl({"config", "check", fleet->config_path()}).code, kUsage);
  EXPECT_EQ(shown("second.example"), "renewed");

  fleet->kill();
  fleet->start();
  EXPECT_EQ(state_of_second(), "former");
  EXPECT_EQ(shown("second.example"), "renewed") << "the workers had it still";
  EXPECT_EQ(shown("first.example"), "first.example");
  renew("second.example", "healed");
  EXPECT_TRUE(soon("second.example", "healed"));
  EXPECT_TRUE(lossless(traffic.stop(500), {"v1"}));
  const auto events = fleet->ctl({"events"}).out;
  EXPECT_NE(events.find("second.example.pem: in use"), std::string::npos) << events;
}

}  // namespace
}  // namespace fleet::test
