#include <gmock/gmock.h>

#include "doctor/findings.hpp"
#include "doctor/sockets_table.hpp"

namespace fleet::ctl::doctor {
namespace {

using ::testing::HasSubstr;

// A machine on which all is well, with a fleet that runs.
Facts sound() {
  Facts facts;
  facts.config_file = "/etc/fleet/fleet.toml";
  facts.config.state_dir = "/var/lib/fleet";
  facts.config.run_dir = "/run/fleet";
  facts.config.apps.emplace_back().name = "shop";
  facts.status.emplace();
  facts.status->version = FLEET_VERSION;
  facts.status->pid = 812;
  facts.status->workers.emplace_back().version = FLEET_VERSION;
  facts.fleetd_user = 990;
  facts.socket = {"/run/fleet/fleetd.sock", FileKind::socket, 990, 0660};
  facts.run = {"/run/fleet", FileKind::folder, 990, 0750};
  facts.state = {"/var/lib/fleet", FileKind::folder, 990, 0711};
  facts.volumes = {{"/var/lib/fleet", "ext4", 100ull << 30, 50ull << 30, 1'000'000, 900'000, false},
                   {"/run/fleet", "tmpfs", 1ull << 30, 900ull << 20, 100'000, 99'000, false}};
  facts.memory = 8ull << 30;
  facts.memory_available = 4ull << 30;
  facts.listeners = {{"proxy.http", {"0.0.0.0", 80}, true, {}}};
  facts.ephemeral_first = 32768, facts.ephemeral_last = 60999;
  facts.certificates = {{"a.pem", "", {"example.com"}, {}, 1'900'000'000, 0}};
  facts.cgroup = Cgroup{"/sys/fs/cgroup/system.slice/fleetd.service", {"cpu", "memory", "pids"}, true};
  facts.unit = "fleetd.service";
  facts.unit_settings = {{"LoadState", "loaded"}, {"Type", "notify"}, {"KillMode", "process"}, {"Delegate", "yes"},
                         {"OOMPolicy", "continue"}, {"FileDescriptorStoreMax", "64"}, {"WatchdogUSec", "1min"}};
  facts.open_files = 524'288;
  facts.year = 2026;
  facts.shims = {{900, "fleet-shim", "shop-v1-1"}};
  facts.programs = {{"fleetd", FLEET_VERSION}, {"fleet-proxy", FLEET_VERSION}};
  facts.programs_folder = "/usr/local/bin";
  return facts;
}

TEST(Doctor, HasNothingToSayOfASoundMachine) {
  const auto findings = judge(sound());
  for (const auto& finding : findings) {
    EXPECT_EQ(finding.level, Level::ok) << finding.check << ": " << finding.what;
    EXPECT_EQ(finding.mend, "");
  }
  EXPECT_GT(findings.size(), 12u);
  EXPECT_EQ(worst(findings), Level::ok);
}

struct Ill {
  const char* name;
  void (*harm)(Facts&);
  Level level;
  const char *check, *what, *mend;
};

class OneIll : public ::testing::TestWithParam<Ill> {};

// One thing is wrong, and it alone is told, once.
TEST_P(OneIll, IsToldWithHowToMendIt) {
  auto facts = sound();
  GetParam().harm(facts);
  std::vector<Finding> told;
  for (const auto& finding : judge(facts)) {
    if (finding.level != Level::ok) told.push_back(finding);
  }
  ASSERT_EQ(told.size(), 1u) << findings_text(told, {});
  EXPECT_EQ(told[0].level, GetParam().level);
  EXPECT_EQ(told[0].check, GetParam().check);
  EXPECT_THAT(told[0].what, HasSubstr(GetParam().what));
  EXPECT_THAT(told[0].mend, HasSubstr(GetParam().mend));
}

constexpr auto kWarning = Level::warning, kError = Level::error;

INSTANTIATE_TEST_SUITE_P(
    Doctor, OneIll,
    ::testing::Values(
        Ill{"Rights", [](Facts& f) { f.all_seen = false; }, kWarning, "rights", "not all", "as root"},
        Ill{"SocketOpenToAll", [](Facts& f) { f.socket.mode = 0666; }, kError, "socket", "everybody may deploy", "chmod 0660"},
        Ill{"SocketClosedToGroup", [](Facts& f) { f.socket.mode = 0600; }, kWarning, "socket", "mode 0600", "chmod 0660"},
        Ill{"SocketOfAStranger", [](Facts& f) { f.socket.owner = 1000; }, kError, "socket", "belongs to user 1000", "restart"},
        Ill{"RunDirOpen", [](Facts& f) { f.run.mode = 0777; }, kError, "run_dir", "others can change it", "chmod 0751"},
        Ill{"StateDirListed", [](Facts& f) { f.state.mode = 0755; }, kWarning, "state_dir", "see more", "chmod 0711"},
        Ill{"StateDirUnusable", [](Facts& f) { f.state.mode = 0511; }, kError, "state_dir", "cannot use", "chmod"},
        Ill{"StateDirGone", [](Facts& f) { f.state.kind = FileKind::missing; }, kError, "state_dir", "is gone", "restart"},
        Ill{"StateDirOfAnother", [](Facts& f) { f.state.owner = 0; }, kError, "state_dir", "belongs to user 0", "chown"},
        Ill{"DiskFull", [](Facts& f) { f.volumes[0].free = 50u << 20; }, kError, "disk", "deploys and logs fail", "make room"},
        Ill{"DiskFillsUp", [](Facts& f) { f.volumes[0].free = 3ull << 30; }, kWarning, "disk", "free in /var/lib/fleet", "keep"},
        Ill{"NoInodes", [](Facts& f) { f.volumes[0].free_inodes = 10; }, kError, "disk", "only 10 files", "df -i"},
        Ill{"ReadOnly", [](Facts& f) { f.volumes[0].read_only = true; }, kError, "disk", "read-only", "remount"},
        Ill{"DistantDisk", [](Facts& f) { f.volumes[0].type = "nfs"; }, kWarning, "disk", "is on nfs", "this machine"},
        Ill{"StateInMemory", [](Facts& f) { f.volumes[0].type = "tmpfs"; }, kWarning, "disk", "in memory", "to a disk"},
        Ill{"NoMemory", [](Facts& f) { f.memory_available = 1u << 20; }, kError, "memory", "available", "memory_max"},
        Ill{"FewDescriptors", [](Facts& f) { f.open_files = 1024; }, kError, "open files", "1,024", "LimitNOFILE"},
        Ill{"PortTaken", [](Facts& f) { f.listeners[0].ours = false, f.listeners[0].strangers = {{7, "nginx", {}}}; }, kError, "port",
            "0.0.0.0:80 (proxy.http) is taken by nginx (pid 7)", "stop that"},
        Ill{"NobodyListens", [](Facts& f) { f.listeners[0].ours = false; }, kError, "port", "nobody listens", "reload"},
        Ill{"PortsUsedUp", [](Facts& f) { f.app_ports_taken = 9999; }, kError, "app ports", "needs up to 2", "widen"},
        Ill{"PortsOverlap", [](Facts& f) { f.ephemeral_first = 25000; }, kWarning, "app ports", "overlaps", "reserved_ports=20000-29999"},
        Ill{"CertificateExpired", [](Facts& f) { f.certificates[0].alarm = 3; }, kError, "certificate", "has expired", "renew"},
        Ill{"CertificateExpires", [](Facts& f) { f.certificates[0].alarm = 1; }, kWarning, "certificate", "expires on 2030", "renew"},
        Ill{"CertificateBad", [](Facts& f) { f.certificates[0].error = "a.pem: no chain"; }, kError, "certificate", "no chain", "config check"},
        Ill{"NotDelegated", [](Facts& f) { f.cgroup->delegated = false; }, kWarning, "cgroup", "none is delegated", "Delegate=yes"},
        Ill{"NoController", [](Facts& f) { f.cgroup->controllers = {"cpu", "pids"}, f.unit.clear(), f.unit_settings.clear(); }, kWarning, "cgroup",
            "lacks memory", "Delegate=yes"},
        Ill{"ControllersOfVersion1", [](Facts& f) { f.cgroup->controllers = {}; }, kWarning, "cgroup", "lacks memory, pids", "unified"},
        Ill{"KillsAll", [](Facts& f) { f.unit_settings["KillMode"] = "control-group"; }, kError, "unit", "ends all applications", "KillMode=process"},
        Ill{"NoStore", [](Facts& f) { f.unit_settings["FileDescriptorStoreMax"] = "0"; }, kWarning, "unit", "keeps no listeners", "=64"},
        Ill{"NoWatchdog", [](Facts& f) { f.unit_settings["WatchdogUSec"] = "infinity"; }, kWarning, "unit", "no watchdog", "WatchdogSec"},
        Ill{"NoUnit", [](Facts& f) { f.unit_settings = {{"LoadState", "not-found"}}; }, kWarning, "unit", "not installed", "install"},
        Ill{"ClockFarOff", [](Facts& f) { f.year = 1970; }, kError, "clock", "1970", "set the clock"},
        Ill{"ClockAdrift", [](Facts& f) { f.clock_synchronised = false; }, kWarning, "clock", "not synchronised", "ntp"},
        Ill{"UnknownShim", [](Facts& f) { f.unknown_shims = f.shims; }, kWarning, "processes", "shop-v1-1 (pid 900)", "restart fleetd"},
        Ill{"WithoutShim", [](Facts& f) { f.without_shim = {{77, "java", {}}}; }, kError, "processes", "java (pid 77)", "kill"},
        Ill{"OfFormerBoot", [](Facts& f) { f.stale = {"/run/fleet/shim/a", "b"}; }, kWarning, "processes", "/run/fleet/shim/a and 1 more", "restart"},
        Ill{"ProgramGone", [](Facts& f) { f.programs["fleet-proxy"] = ""; }, kError, "versions", "cannot be run", "install"},
        Ill{"ProgramReplaced", [](Facts& f) { f.fleetd_replaced = true; }, kWarning, "versions", "another one is on disk", "fleetctl upgrade"},
        Ill{"WorkerOfAnotherVersion", [](Facts& f) { f.status->workers[0].version = "0.0.9"; }, kWarning, "versions", "0.0.9", "proxy upgrade"},
        Ill{"NoSuchUser", [](Facts& f) { f.unknown_users = {"shop: no user \"shop\""}; }, kError, "users", "shop", "useradd"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(Doctor, WithoutFleetdSaysSoAndLooksAtTheRest) {
  auto facts = sound();
  facts.status.reset();
  facts.cgroup.reset();
  facts.no_answer = "cannot connect to /run/fleet/fleetd.sock: connection refused";
  facts.listeners[0].ours = false;
  const auto findings = judge(facts);
  EXPECT_EQ(std::ranges::count(findings, Level::ok, &Finding::level) + 1, std::ssize(findings)) << findings_text(findings, {});
  EXPECT_EQ(findings[1].check, "fleetd");
  EXPECT_THAT(findings[1].mend, HasSubstr("systemctl start fleetd.service"));
}

TEST(Doctor, GoesByNoConfigurationThatDoesNotHold) {
  auto facts = sound();
  facts.config_problems = {"fleet.toml:3:1: no such key", "and another"};
  facts.run = facts.state = {};
  const auto findings = judge(facts);
  EXPECT_EQ(worst(findings), Level::error);
  EXPECT_THAT(findings[0].what, HasSubstr("no such key (and 1 more)"));
  for (const auto& finding : findings) EXPECT_NE(finding.check, "port");
}

TEST(Doctor, TellsInColumnsWithTheRemedyBelow) {
  const std::vector<Finding> findings{{Level::ok, "clock", "synchronised", ""}, {Level::error, "app ports", "none\x1b left", "widen"}};
  EXPECT_EQ(findings_text(findings, {}),
            "ok       clock      synchronised\n"
            "error    app ports  none\\x1b left\n"
            "                    -> widen\n"
            "\n1 ok, 0 warnings, 1 error\n");
  EXPECT_THAT(findings_text(findings, {true, true}), HasSubstr("\x1b["));
}

TEST(SocketsTable, KnowsWhoListens) {
  const auto found = listening(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n"
      "   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n"
      "   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4713 1\n"
      "nonsense\n");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(to_string(found[0].endpoint), "127.0.0.1:8080");
  EXPECT_EQ(found[0].inode, 4711u);
  EXPECT_EQ(to_string(found[1].endpoint), "[::1]:80");
}

TEST(SocketsTable, KnowsWhichAddressesAreInEachOthersWay) {
  EXPECT_TRUE(collide({"127.0.0.1", 80}, {"127.0.0.1", 80}));
  EXPECT_FALSE(collide({"127.0.0.1", 80}, {"127.0.0.1", 81}));
  EXPECT_FALSE(collide({"127.0.0.1", 80}, {"127.0.0.2", 80}));
  EXPECT_TRUE(collide({"0.0.0.0", 80}, {"127.0.0.2", 80}));
  EXPECT_FALSE(collide({"0.0.0.0", 80}, {"::1", 80}));
  EXPECT_TRUE(collide({"::", 80}, {"10.0.0.1", 80}));
}

}  // namespace
}  // namespace fleet::ctl::doctor
