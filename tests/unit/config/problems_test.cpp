#include <gmock/gmock.h>

#include <filesystem>

#include "config/load.hpp"
#include "config/parse.hpp"
#include "read.hpp"

namespace fleet::config::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Case {
  const char* name;  // of the rule
  const char* text;
  const char* problem;  // how the only line begins, after the file's name
};

class Problem : public testing::TestWithParam<Case> {};

TEST_P(Problem, IsNamedWithItsPlace) {
  const auto lines = problems(GetParam().text);
  ASSERT_EQ(lines.size(), 1u) << testing::PrintToString(lines);
  EXPECT_THAT(lines[0], testing::StartsWith(std::string("fleet.toml:") + GetParam().problem));
}

#define APP "[app.shop]\ncommand = [\"x\"]\n"  // the next line is the third

const Case kCases[] = {
    {"Syntax", "[fleet]\nstate_dir = \n", "2:13: not TOML: "},
    {"HeaderWithoutKey", "[=]", "1:2: not TOML: "},
    {"KeyTwice", APP "instances = 1\ninstances = 2", "4:"},
    {"TooLarge", nullptr, ": larger than 256 KiB"},
    {"LongLine", nullptr, "1:8193: line longer than 8 KiB"},
    {"DeepNesting", "a = [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "1:21: nested too deeply"},
    {"UnknownSection", "[aap.x]", "1:2: unknown key \"aap\" (did you mean \"app\"?)"},
    {"UnknownKey", "[fleet]\n  statedir = 1", "2:3: fleet: unknown key \"statedir\" (did you mean \"state_dir\"?)"},
    {"UnknownKeyFarFromAny", "[proxy]\nzzzzzz = 1", "2:1: proxy: unknown key \"zzzzzz\""},
    {"UnknownAppKey", APP "instnces = 2", "3:1: app \"shop\": unknown key \"instnces\" (did you mean \"instances\"?)"},
    {"UnknownHealthKey", APP "[app.shop.health]\nhealthly = 2",
     "4:1: app \"shop\": health: unknown key \"healthly\" (did you mean \"healthy\"?)"},
    {"ControlCharactersInAKey", "\"a\\u001bb\" = 1", "1:1: unknown key \"a\\x1bb\""},
    {"TableWanted", "fleet = 1", "1:9: fleet: expected a table, not an integer"},
    {"AppTableWanted", "[app]\nshop = \"x\"", "2:8: app \"shop\": expected a table, not a string"},
    {"TlsTablesWanted", "[tls]\nkey = \"x\"", "1:1: tls: expected [[tls]] tables, not a table"},
    {"TrustedIsNoAddress", "[proxy]\ntrusted = [\"10.0.0.0/8\", \"lb.test\"]",
     "2:26: proxy.trusted: \"lb.test\" is not an address or a block of them"},
    {"TrustedHasHostBits", "[proxy]\ntrusted = [\"10.0.0.1/8\"]",
     "2:12: proxy.trusted: \"10.0.0.1/8\" has bits set behind its prefix (did you mean \"10.0.0.0/8\"?)"},
    {"ProxyProtocolOffListener",
     "[proxy]\nhttp = [\"127.0.0.1:80\"]\ntrusted = [\"::1\"]\nproxy_protocol = [\"127.0.0.1:81\"]",
     "4:19: proxy.proxy_protocol: 127.0.0.1:81 is no listener (see http and https)"},
    {"ProxyProtocolFromNobody", "[proxy]\nhttp = [\"127.0.0.1:80\"]\nproxy_protocol = [\"127.0.0.1:80\"]",
     "3:18: proxy.proxy_protocol: nobody may send PROXY headers (see trusted)"},
    {"HeadLimitOutOfRange", "[proxy.limits]\nhead = 65536",
     "2:8: proxy.limits.head: 65536 is out of range (1024 to 49152)"},
    {"TimeoutOutOfRange", "[proxy.timeouts]\nhead = \"1ms\"", "2:8: proxy.timeouts.head: \"1ms\" is out of range"},
    {"ForwardedHeaderUnknown", "[proxy]\nforwarded_header = \"x-real-ip\"",
     "2:20: proxy.forwarded_header: \"x-real-ip\" is not one of \"x-forwarded\", \"forwarded\""},
    {"StringWanted", "[fleet]\nstate_dir = 5", "2:13: fleet.state_dir: expected a string, not an integer"},
    {"BooleanWanted", "[fleet]\nallow_root = \"yes\"", "2:14: fleet.allow_root: expected true or false, not a string"},
    {"IntegerWanted", "[proxy]\nworkers = 1.5", "2:11: proxy.workers: expected an integer, not a fraction"},
    {"ListWanted", "[proxy]\nhttp = \"127.0.0.1:80\"", "2:8: proxy.http: expected a list, not a string"},
    {"DateNotWanted", APP "path = 1979-05-27", "3:8: app \"shop\": path: expected a string, not a date or time"},
    {"IntegerTooSmall", APP "instances = 0", "3:13: app \"shop\": instances: 0 is out of range (1 to 64)"},
    {"IntegerTooLarge", APP "instances = 65", "3:13: app \"shop\": instances: 65 is out of range (1 to 64)"},
    {"IntegerHuge", APP "instances = 4294967297", "3:13: app \"shop\": instances: 4294967297 is out of range"},
    {"IntegerNegative", APP "keep_releases = -1", "3:17: app \"shop\": keep_releases: -1 is out of range (0 to 100)"},
    {"Healthy", APP "health.healthy = 0", "3:18: app \"shop\": health.healthy: 0 is out of range"},
    {"Unhealthy", APP "health.unhealthy = 0", "3:20: app \"shop\": health.unhealthy: 0 is out of range"},
    {"Workers", "[proxy]\nworkers = 0", "2:11: proxy.workers: 0 is out of range"},
    {"Duration", APP "[app.shop.health]\ninterval = \"5 parsecs\"",
     "4:12: app \"shop\": health.interval: \"5 parsecs\" is not a duration"},
    {"DurationWithoutUnit", APP "health.interval = \"5\"",
     "3:19: app \"shop\": health.interval: \"5\" is not a duration"},
    {"DurationWithoutNumber", APP "health.interval = \"s\"", "3:19: app \"shop\": health.interval: \"s\" is not a"},
    {"DurationTooLong", APP "drain.timeout = \"99999999999999s\"", "3:17: app \"shop\": drain.timeout: \"9999"},
    {"DurationOutOfRange", APP "health.timeout = \"0s\"",
     "3:18: app \"shop\": health.timeout: \"0s\" is out of range (10ms to 10m)"},
    {"CoresAsText", APP "cpu_max = \"1\"", "3:11: app \"shop\": cpu_max: expected a number, not a string"},
    {"CoresNone", APP "cpu_max = 0", "3:11: app \"shop\": cpu_max: out of range (0.01 to 1024)"},
    {"CoresNotANumber", APP "cpu_max = nan", "3:11: app \"shop\": cpu_max: out of range"},
    {"PrivateTmpOverState", "[fleet]\nstate_dir = \"/var/tmp/x\"\n" APP "private_tmp = true",
     "5:15: app \"shop\": private_tmp: would hide state_dir or run_dir"},
    {"DurationAsNumber", APP "drain.timeout = 30", "3:17: app \"shop\": drain.timeout: expected a duration such as"},
    {"AppNameUpperCase", "[app.Shop]\ncommand = [\"x\"]", "1:6: app \"Shop\": not a name for an app"},
    {"AppNameHyphen", "[app.-shop]\ncommand = [\"x\"]", "1:6: app \"-shop\": not a name for an app"},
    {"AppNameEmpty", "[app.\"\"]\ncommand = [\"x\"]", "1:6: app \"\": not a name for an app"},
    {"AppNameLong", "[app.a234567890123456789012345678901234567890123456789012345678901234]\ncommand = [\"x\"]",
     "1:6: app \"a2345678901234567890123456789012345678901234567890123456789012"},
    {"CommandEmpty", "[app.shop]\ncommand = []", "2:11: app \"shop\": command: must not be empty"},
    {"CommandOfAnEmptyName", "[app.shop]\ncommand = [\"\"]",
     "2:12: app \"shop\": command: the program's name is empty"},
    {"CommandAsString", "[app.shop]\ncommand = \"x\"", "2:11: app \"shop\": command: expected a list, not a string"},
    {"CommandZeroByte", "[app.shop]\ncommand = [\"x\", \"a\\u0000\"]",
     "2:17: app \"shop\": command: \"a\\x00\" has a zero"},
    {"Placeholder", "[app.shop]\ncommand = [\"x\", \"--p={prt}\"]",
     "2:17: app \"shop\": command: unknown placeholder {prt} (known: {data_dir} {instance} {port} "},
    {"PlaceholderOpen", "[app.shop]\ncommand = [\"x\", \"{port\"]", "2:17: app \"shop\": command: \"{\" is not closed"},
    {"PlaceholderInHealth", APP "health.command = [\"{x}\"]",
     "3:19: app \"shop\": health.command: unknown placeholder"},
    {"PlaceholderPortWithoutOne", "[app.shop]\nlisten = \"unix\"\ncommand = [\"x\", \"{port}\"]",
     "3:17: app \"shop\": command: unknown placeholder {port} (known: {data_dir} {instance} {release} "},
    {"PlaceholderSocketWithoutOne", "[app.shop]\ncommand = [\"x\", \"{socket}\"]",
     "2:17: app \"shop\": command: unknown placeholder {socket} (known: {data_dir} {instance} {port} "},
    {"GroupWithoutUser", APP "pids_max = 9\ngroup = \"daemon\"", "4:9: app \"shop\": group: needs user, too"},
    {"ListenName", APP "listen = \"udp\"", "3:10: app \"shop\": listen: \"udp\" is not one of \"tcp\", \"unix\""},
    {"BalanceName", APP "balance = \"random\"", "3:11: app \"shop\": balance: \"random\" is not one of \"least-in-"},
    {"BalanceByHashOfNothing", APP "balance = \"hash\"", "3:11: app \"shop\": balance: \"hash\" needs hash_by, too"},
    {"HashByWithoutHash", APP "hash_by = \"address\"",
     "3:11: app \"shop\": hash_by: has no effect without balance = \"hash\""},
    {"HashByOfNoKind", APP "balance = \"hash\"\nhash_by = \"path\"",
     "4:11: app \"shop\": hash_by: \"path\" is not \"header:NAME\", \"cookie:NAME\" or \"address\""},
    {"HashByWithoutName", APP "balance = \"hash\"\nhash_by = \"cookie:\"", "4:11: app \"shop\": hash_by: \"cookie:\" is not"},
    {"HashByHeaderName", APP "balance = \"hash\"\nhash_by = \"header:a b\"", "4:11: app \"shop\": hash_by: \"header:a b\""},
    {"HoldTimeout", APP "hold.timeout = \"11m\"", "3:16: app \"shop\": hold.timeout: \"11m\" is out of range (0s to 10m)"},
    {"HoldAnswer", APP "hold.answer = [\"up\"]", "3:16: app \"shop\": hold.answer: \"up\" does not begin with /"},
    {"HealthKinds", APP "health = { tcp = true, path = \"/\" }", "3:24: app \"shop\": health: tcp and path exclude"},
    {"HealthKindsNotifyAndCommand", APP "health = { command = [\"a\"], notify = true }",
     "3:29: app \"shop\": health: command and notify exclude each other"},
    {"HealthPath", APP "health.path = \"up\"", "3:15: app \"shop\": health.path: \"up\" does not begin with /"},
    {"HealthPathWithSpace", APP "health.path = \"/a b\"", "3:15: app \"shop\": health.path: \"/a b\" is not a request"},
    {"HostWithPort", APP "hosts = [\"a.b\", \"a.b:80\"]", "3:17: app \"shop\": hosts: \"a.b:80\" is not a host name"},
    {"HostEmptyLabel", APP "hosts = [\"a..b\"]", "3:10: app \"shop\": hosts: \"a..b\" is not a host name"},
    {"HostWildcard", APP "hosts = [\"*b\"]", "3:10: app \"shop\": hosts: \"*b\" is not a host name"},
    {"HostEmpty", APP "hosts = [\"\"]", "3:10: app \"shop\": hosts: \"\" is not a host name"},
    {"HostTwice", APP "hosts = [\"a\", \"A\"]", "3:15: app \"shop\": hosts: \"a\" is there twice"},
    {"HostOfTwoApps", APP "hosts = [\"a\"]\n[app.zoo]\ncommand = [\"x\"]\nhosts = [\"b\", \"A\"]",
     "6:15: app \"zoo\": host \"a\" with path \"/\" belongs to app \"shop\" already (line 3)"},
    {"AnyHostOfTwoApps", APP "[app.zoo]\ncommand = [\"x\"]",
     "3:1: app \"zoo\": any host with path \"/\" belongs to app \"shop\" already (line 1)"},
    {"PathRelative", APP "path = \"a\"", "3:8: app \"shop\": path: \"a\" does not begin with /"},
    {"PathDots", APP "path = \"/a/../b\"", "3:8: app \"shop\": path: \"/a/../b\" is not normal"},
    {"PathSlashes", APP "path = \"//\"", "3:8: app \"shop\": path: \"//\" is not normal"},
    {"PathEmptySegment", APP "path = \"/a//b\"", "3:8: app \"shop\": path: \"/a//b\" is not normal"},
    {"PathEscape", APP "path = \"/a%20b\"", "3:8: app \"shop\": path: \"/a%20b\" is not a plain path"},
    {"PathQuery", APP "path = \"/a?b\"", "3:8: app \"shop\": path: \"/a?b\" is not a plain path"},
    {"RedirectName", APP "https_redirect = \"always\"",
     "3:18: app \"shop\": https_redirect: \"always\" is not one of \"off\", \"same-uri\", \"home\""},
    {"RedirectToNowhere", APP "https_redirect = \"home\"", "3:18: app \"shop\": https_redirect: there is no https"},
    {"Signal", APP "drain.stop_signal = \"SIGFOO\"",
     "3:21: app \"shop\": drain.stop_signal: \"SIGFOO\" is not a signal"},
    {"SignalThatCannotAsk", APP "drain.stop_signal = \"KILL\"",
     "3:21: app \"shop\": drain.stop_signal: \"KILL\" cannot ask"},
    {"EnvironmentName", APP "env = { a-b = \"c\" }", "3:9: app \"shop\": env: \"a-b\" is not a variable's name"},
    {"EnvironmentDigit", APP "env = { 1a = \"c\" }", "3:9: app \"shop\": env: \"1a\" is not a variable's name"},
    {"EnvironmentType", APP "env = { A = 1 }", "3:13: app \"shop\": env.A: expected a string, not an integer"},
    {"EnvironmentOwn", APP "env = { PORT = \"1\" }", "3:9: app \"shop\": env: PORT is set by fleet itself"},
    {"AddressName", "[proxy]\nhttp = [\"localhost:80\"]", "2:9: proxy.http: \"localhost:80\" is not an address"},
    {"AddressBare", "[proxy]\nhttp = [\"80\"]", "2:9: proxy.http: \"80\" is not an address"},
    {"AddressPortZero", "[proxy]\nhttp = [\"0.0.0.0:0\"]", "2:9: proxy.http: \"0.0.0.0:0\" has no port"},
    {"AddressPortTooLarge", "[proxy]\nhttp = [\"0.0.0.0:65536\"]", "2:9: proxy.http: \"0.0.0.0:65536\" is not an"},
    {"AddressBrackets", "[proxy]\nhttp = [\"::1:80\"]", "2:9: proxy.http: \"::1:80\" is not an address"},
    {"AddressTwice", "[proxy]\nhttp = [\"[::1]:80\"]\nhttps = [\"[0::1]:80\"]",
     "3:10: proxy.https: [::1]:80 is taken already (line 2)"},
    {"ApiAddressTaken", "[api]\nlisten = \"127.0.0.1:80\"\n[proxy]\nhttp = [\"127.0.0.1:80\"]",
     "2:10: api.listen: 127.0.0.1:80 is taken already (line 4)"},
    {"ApiAddress", "[api]\nlisten = \"7070\"", "2:10: api.listen: \"7070\" is not an address"},
    {"ApiOffLoopback", "[api]\nlisten = \"0.0.0.0:7070\"\ncertificate = \"c\"\nkey = \"k\"",
     "2:10: api.listen: 0.0.0.0:7070 is not a loopback address, so token_file is required"},
    {"ApiCertificateAlone", "[api]\nlisten = \"[::1]:7070\"\ncertificate = \"c\"",
     "3:15: api: certificate and key go together"},
    {"TlsKeyMissing", "[[tls]]\ncertificate = \"c\"\nkey = \"k\"\n[[tls]]\ncertificate = \"c\"",
     "4:1: tls #2: key: missing"},
    {"FileNameEmpty", "[fleet]\nstate_dir = \"\"", "2:13: fleet.state_dir: must not be empty"},
    {"FileNameControl", "[fleet]\nstate_dir = \"a\\nb\"", "2:13: fleet.state_dir: \"a\\x0ab\" is not a file name"},
    {"SocketPathTooLong",
     "[fleet]\nrun_dir = \"/a23456789012345678901234567890123456789012345678901234567890123456789012345\"\n"
     "[app.shops]\ncommand = [\"x\"]",
     "2:11: fleet.run_dir: \"/a23456789012345678901234567890123456789012345678901234567890123456789012345\" and the "
     "name "
     "of app \"shops\" are longer than 80 bytes"},
    {"PortsForm", "[fleet]\nports = \"20000\"", "2:9: fleet.ports: \"20000\" is not a range of ports"},
    {"PortsBackwards", "[fleet]\nports = \"20001-20000\"", "2:9: fleet.ports: \"20001-20000\" is not a range of ports"},
    {"PortsLow", "[fleet]\nports = \"80-20000\"", "2:9: fleet.ports: \"80-20000\" is not a range of ports"},
    {"PortsTooFew", "[fleet]\nports = \"20000-20004\"\n" APP "instances = 3",
     "2:9: fleet.ports: 5 ports, but the apps need 6"},
};

Case filled_in(Case c) {
  static const std::string large = std::string((256u << 10) + 1, '\n'), wide = "#" + std::string(9000, 'x');
  if (c.text == nullptr) c.text = std::string_view(c.name) == "TooLarge" ? large.c_str() : wide.c_str();
  if (std::string_view(c.name) == "TooLarge") c.problem += 1;  // "fleet.toml: larger", without a line
  return c;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& c : kCases) all.push_back(filled_in(c));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Configuration, Problem, testing::ValuesIn(cases()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(Problems, AreAllFoundAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(problems("[app.shop]\ninstances = 0\ncommand = [\"{x}\"]\n[fleet]\nfoo = 1\n[[tls]]\n"),
              ElementsAre(HasSubstr(":2:13: "), HasSubstr(":3:12: "), HasSubstr(":5:1: "), HasSubstr(":6:1: "),
                          HasSubstr(":6:1: ")));
}

TEST(Problems, AreNoneWhenSocketsJustFit) {
  EXPECT_THAT(problems("[fleet]\nrun_dir = \"/" + std::string(75, 'a') + "\"\n[app.shop]\ncommand = [\"x\"]"),
              ElementsAre());
}

TEST(Examples, HaveNoProblems) {
  std::size_t examples = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(FLEET_SOURCE_DIR "/deploy")) {
    if (entry.path().extension() != ".toml") continue;
    const auto config = load(entry.path());
    EXPECT_TRUE(config) << config.error().error().text;
    ++examples;
  }
  EXPECT_GE(examples, 3u);
}

TEST(Problems, OfAFileThatIsNotThereNameIt) {
  const auto config = load("/nowhere/fleet.toml");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().lines(), ElementsAre("/nowhere/fleet.toml: cannot read: no such file or directory"));
  EXPECT_EQ(config.error().error().kind, ErrorKind::usage);
}

TEST(Problems, OfAFolderNameIt) {
  EXPECT_THAT(load("/").error().lines(), ElementsAre("/: cannot read: is a directory"));
}

}  // namespace
}  // namespace fleet::config::test
