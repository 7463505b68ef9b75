// The real fleetctl against the real API server with a fake fleetd behind it: exit codes, what it says and where.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "core/json.hpp"
#include "served_backend.hpp"
#include "support/certificates/certificates.hpp"
#include "support/process.hpp"

namespace fleet::api {
namespace {

using test::eventually;
using test::Program;
using test::Ran;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::string kBinary = FLEET_BIN_DIR "/fleetctl";

EventView event(EventType type, std::string message = "") {
  EventView view;
  view.type = type;
  view.time = "2026-11-22T23:31:10.000Z";
  view.app = "shop";
  view.deployment = 17;
  view.message = std::move(message);
  return view;
}

EventView entering(Phase phase) {
  EventView view = event(EventType::deployment_phase);
  view.data.phase = phase;
  return view;
}

// Deployment 17, as it is at its end.
DeploymentView ended(DeploymentState state, Outcome outcome, std::optional<ErrorKind> error = {}) {
  DeploymentView view;
  view.id = 17;
  view.app = "shop";
  view.state = state;
  view.outcome = outcome;
  view.release = 2;
  view.previous_release = 1;
  if (error) {
    view.error.emplace().kind = *error;
    view.error->text = "it went wrong";
  }
  return view;
}

class Fleetctl : public ::testing::Test {
 protected:
  Fleetctl() {
    EXPECT_TRUE(fleetd.open());
    fleetd.with_backend([](FakeBackend& backend) {
      AppView shop;
      shop.name = "shop";
      backend.status_view.apps = {shop};
      DeploymentView running;
      running.id = 17;
      running.app = "shop";
      backend.deployments[17] = running;
      backend.events().publish(event(EventType::deployment_started, "deploy of /srv/shop.zip"));
    });
  }

  // Deployment 17 ends like that as soon as it begins.
  void ends(const DeploymentView& view) {
    fleetd.with_backend([&](FakeBackend& backend) {
      backend.events().publish(entering(Phase::prepare));
      backend.deployments[17] = view;
      backend.events().publish(event(EventType::deployment_finished));
    });
  }
  void refuses(ErrorKind kind, std::string text) {
    fleetd.with_backend([&](FakeBackend& backend) { backend.error = Error{kind, std::move(text)}; });
  }
  std::vector<std::string> asked() {
    std::vector<std::string> all;
    fleetd.with_backend([&](FakeBackend& backend) { all = backend.asked; });
    return all;
  }

  std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {kBinary, "--socket", fleetd.socket_path()});
    return arguments;
  }
  Ran run(std::vector<std::string> arguments) {
    return test::run(command(std::move(arguments)), {}, milliseconds(10000));
  }

  ServedBackend fleetd;
  const std::string who = "uid " + std::to_string(::geteuid());
};

TEST_F(Fleetctl, EndsWith0AndSaysHowToUndoWhenItDeployed) {
  auto view = ended(DeploymentState::succeeded, Outcome::changed);
  view.receipt.emplace().requests = 12345;
  view.phases = {{Phase::prepare, milliseconds(40)}};
  ends(view);
  const auto ran = run({"deploy", "/srv/shop.zip"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, StartsWith("deploy of /srv/shop.zip, deployment 17\n"));
  EXPECT_THAT(ran.out,
              EndsWith("shop is on v2 (was v1), 0 of 12,345 requests failed · undo: fleetctl rollback --app shop\n"));
  EXPECT_THAT(ran.out, HasSubstr("prepare 40 ms"));
  EXPECT_THAT(ran.out + ran.err, ::testing::Not(HasSubstr("\x1b"))) << "no terminal, no colours";
  EXPECT_THAT(asked(), ElementsAre("deploy shop /srv/shop.zip  by " + who));
}

TEST_F(Fleetctl, EndsWith0WhenTheReleaseIsCurrentAlready) {
  ends(ended(DeploymentState::succeeded, Outcome::already_current));
  const auto ran = run({"deploy", "/srv/shop.zip"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "shop is on v2 already, nothing changed\n");
}

TEST_F(Fleetctl, EndsWith2WhenFleetdRefusesTheWish) {
  EXPECT_EQ(run({"deploy", "/srv/shop.zip", "--sha256", "12"}).code, 2);
  refuses(ErrorKind::not_found, "no such app: blog");
  const auto ran = run({"restart", "--app", "blog"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "fleetctl: no such app: blog\n");
}

TEST_F(Fleetctl, EndsWith2AndNamesTheAppsWhenItMustBeToldWhich) {
  fleetd.with_backend([](FakeBackend& backend) {
    AppView blog;
    blog.name = "blog";
    backend.status_view.apps.push_back(blog);
  });
  const auto ran = run({"restart"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "fleetctl: which app? --app with one of: shop, blog\n");
}

TEST_F(Fleetctl, EndsWith3WhenAnotherDeployRuns) {
  refuses(ErrorKind::busy, "shop: deployment 16 is under way");
  const auto ran = run({"deploy", "/srv/shop.zip"});
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.err, "fleetctl: shop: deployment 16 is under way\n");
}

TEST_F(Fleetctl, EndsWith4AndShowsTheLastLinesWhenTheCandidateWasNotHealthy) {
  auto view = ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::unhealthy);
  view.error->exit_code = 7;
  view.error->log_tail = {"no database"};
  ends(view);
  const auto ran = run({"deploy", "/srv/shop.zip"});
  EXPECT_EQ(ran.code, 4);
  EXPECT_THAT(ran.err,
              HasSubstr("deploy of shop failed: it went wrong (exit code 7)\nits last lines were:\n  | no database\n"));
  EXPECT_EQ(ran.out, "shop is still on v1, nothing changed\n");
}

TEST_F(Fleetctl, EndsWith4WhenSomebodyAbortedIt) {
  ends(ended(DeploymentState::aborted, Outcome::kept_old));
  EXPECT_EQ(run({"deploy", "/srv/shop.zip"}).code, 4);
}

TEST_F(Fleetctl, EndsWith5WhenTheArtifactCouldNotBeHad) {
  ends(ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::fetch));
  EXPECT_EQ(run({"deploy", "/srv/shop.zip"}).code, 5);
  ends(ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::verify));
  EXPECT_EQ(run({"deploy", "/srv/shop.zip"}).code, 5);
}

TEST_F(Fleetctl, EndsWith6WhenItWasSwitchedAndRolledBack) {
  ends(ended(DeploymentState::failed, Outcome::rolled_back, ErrorKind::unhealthy));
  EXPECT_EQ(run({"deploy", "/srv/shop.zip"}).code, 6);
}

TEST_F(Fleetctl, EndsWith7AndSaysHowToFollowAtTheTimeout) {
  const auto ran = run({"deploy", "/srv/shop.zip", "--timeout", "100ms"});
  EXPECT_EQ(ran.code, 7);
  EXPECT_THAT(ran.err, EndsWith("timeout reached: deployment 17 of shop goes on · follow: fleetctl follow 17 · "
                                "stop: fleetctl abort 17\n"));
}

TEST_F(Fleetctl, EndsWith8WhenNobodyAnswers) {
  fleetd.close();
  for (const auto& arguments : {std::vector<std::string>{"status"}, {"deploy", "x"}, {"events", "-f"}}) {
    const auto ran = run(arguments);
    EXPECT_EQ(ran.code, 8);
    EXPECT_THAT(ran.err, HasSubstr("cannot connect to " + fleetd.socket_path()));
  }
}

TEST_F(Fleetctl, DetachesOnCtrlCAndLeavesTheDeployRunning) {
  const std::string err = fleetd.directory() + "/err";
  Program program(command({"deploy", "/srv/shop.zip"}), {}, "", err);
  ASSERT_TRUE(eventually(milliseconds(5000), [&] { return !test::read_whole(err).empty(); }));
  program.signal(SIGINT);
  EXPECT_EQ(program.wait(milliseconds(5000)), 130);
  EXPECT_THAT(test::read_whole(err), HasSubstr("detached: deployment 17 of shop goes on · follow: fleetctl follow 17"));
  EXPECT_THAT(asked(), ElementsAre(StartsWith("deploy shop")));
}

TEST_F(Fleetctl, GoesOnFollowingWhenFleetdIsStartedAgain) {
  const std::string err = fleetd.directory() + "/err", out = fleetd.directory() + "/out";
  Program program(command({"deploy", "/srv/shop.zip"}), {}, out, err);
  ASSERT_TRUE(eventually(milliseconds(5000), [&] { return !test::read_whole(err).empty(); }));
  fleetd.close();
  ASSERT_TRUE(
      eventually(milliseconds(5000), [&] { return test::read_whole(err).find("lost contact") != std::string::npos; }));
  ends(ended(DeploymentState::succeeded, Outcome::changed));
  ASSERT_TRUE(fleetd.open());
  EXPECT_EQ(program.wait(milliseconds(5000)), 0);
  const auto told = test::read_whole(err);
  EXPECT_EQ(told.find("deploy of /srv/shop.zip"), told.rfind("deploy of /srv/shop.zip")) << "told twice: " << told;
  EXPECT_THAT(test::read_whole(out), StartsWith("shop is on v2 (was v1)"));
}

TEST_F(Fleetctl, GivesEventsAndTheResultAsNdjson) {
  ends(ended(DeploymentState::succeeded, Outcome::changed));
  const auto ran = run({"rollback", "v1", "--json"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
  std::istringstream lines(ran.out);
  std::vector<std::string> types;
  for (std::string line; std::getline(lines, line);) types.push_back(json::Json::parse(line).at("type"));
  EXPECT_THAT(types, ElementsAre("deployment.started", "deployment.phase", "deployment.finished", "result"));
  EXPECT_THAT(asked(), ElementsAre("rollback shop to 1 by " + who));
}

TEST_F(Fleetctl, ReturnsAtOnceIfToldNotToWait) {
  const auto ran = run({"restart", "--no-wait"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out,
            "under way: deployment 17 of shop goes on · follow: fleetctl follow 17 · stop: fleetctl abort 17\n");
}

TEST_F(Fleetctl, AbortsAndFollowsTheRunningDeploymentWithoutItsNumber) {
  fleetd.with_backend([](FakeBackend& backend) { backend.status_view.apps[0].deployment = backend.deployments[17]; });
  EXPECT_EQ(run({"abort"}).out, "deployment 17 of shop is being aborted\n");
  ends(ended(DeploymentState::aborted, Outcome::kept_old));
  EXPECT_EQ(run({"follow"}).code, 4);
  EXPECT_THAT(asked(), ElementsAre("abort 17 by " + who));
}

TEST_F(Fleetctl, ShowsStatusReleasesLogsAndEvents) {
  EXPECT_THAT(run({"status"}).out, HasSubstr("\nshop  "));
  EXPECT_EQ(json::Json::parse(run({"status", "--json"}).out).at("apps").at(0).at("name"), "shop");
  EXPECT_EQ(run({"status", "--app", "blog"}).code, 2);
  EXPECT_EQ(run({"releases"}).out, "shop has no releases yet\n");
  fleetd.with_backend([](FakeBackend& backend) {
    backend.next_logs = LogsView{{{"shop-v1-1", 1, "a\x1b[31mb"}}, "c"};
  });
  EXPECT_EQ(run({"logs", "--lines", "5"}).out, "shop-v1-1 | a\\x1b[31mb\n");
  fleetd.with_backend([](FakeBackend& backend) { backend.next_logs = LogsView{{{"", 0, "{\"path\":\"/\\u001b\"}"}}, "c"}; });
  EXPECT_EQ(run({"logs", "--access", "shop"}).out, "{\"path\":\"/\\u001b\"}\n");
  EXPECT_EQ(run({"events"}).out, "2026-11-22T23:31:10.000Z shop     deployment.started  deploy of /srv/shop.zip\n");
  EXPECT_EQ(run({"events", "--app", "blog"}).out, "");
}

TEST_F(Fleetctl, FollowsEventsAsTheyCome) {
  const std::string out = fleetd.directory() + "/out";
  Program program(command({"events", "-f"}), {}, out, "");
  const bool seen = eventually(milliseconds(5000), [&] {
    fleetd.with_backend([](FakeBackend& backend) { backend.events().publish(event(EventType::app_state, "serving")); });
    return test::read_whole(out).find("serving") != std::string::npos;
  });
  EXPECT_TRUE(seen);
  program.signal(SIGINT);
  EXPECT_EQ(program.wait(milliseconds(5000)), 130);
}

TEST_F(Fleetctl, ReloadsAndShutsDown) {
  EXPECT_EQ(run({"reload"}).out, "configuration reloaded\n");
  // The fake fleetd ends when the process does whose pid it gives.
  Program sleeper({"/bin/sleep", "60"}, {}, "", "");
  fleetd.with_backend(
      [&](FakeBackend& backend) { backend.status_view.pid = static_cast<std::uint32_t>(sleeper.pid()); });
  Program shutdown(command({"shutdown", "--apps"}), {}, fleetd.directory() + "/out", "");
  ASSERT_TRUE(eventually(milliseconds(5000), [&] { return asked().back() == "shutdown with apps"; }));
  EXPECT_TRUE(shutdown.running());
  sleeper.signal(SIGTERM);
  EXPECT_EQ(shutdown.wait(milliseconds(5000)), 0);
  EXPECT_EQ(test::read_whole(fleetd.directory() + "/out"),
            "fleetd has ended, the proxy and all applications are stopped\n");
}

TEST_F(Fleetctl, ReportsABadReloadAsConfiguration) {
  refuses(ErrorKind::usage, "fleet.toml:3:1: unknown key");
  const auto ran = run({"reload"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "fleetctl: fleet.toml:3:1: unknown key\n");
}

TEST_F(Fleetctl, ChecksAConfigurationWithoutADaemon) {
  fleetd.close();
  const std::string file = fleetd.directory() + "/fleet.toml";
  std::ofstream(file) << "[fleet]\nstate_dri = \"x\"\n";
  const auto bad = run({"config", "check", file});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, StartsWith(file + ":2:1: "));
  EXPECT_THAT(bad.out, IsEmpty());
  std::ofstream(file) << "[app.shop]\ncommand = [\"./server\"]\n";
  const auto good = run({"config", "check", file});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr(": ok, 1 app"));
}

TEST_F(Fleetctl, ChecksCertificatesToo) {
  fleetd.close();
  const std::string file = fleetd.directory() + "/fleet.toml";
  std::ofstream(file) << "[[tls]]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
  const auto missing = run({"config", "check", file});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("fleet.toml: tls #1: cannot open " + fleetd.directory() + "/a.pem: no such file"));
  const auto root = test::make_root("Root");
  const auto middle = test::make_intermediate("R1", root);
  const auto leaf = test::make_leaf("shop.test", middle);
  std::ofstream(fleetd.directory() + "/a.pem") << leaf.certificate;
  std::ofstream(fleetd.directory() + "/a.key") << leaf.key;
  const auto incomplete = run({"config", "check", file});
  EXPECT_EQ(incomplete.code, 2);
  EXPECT_THAT(incomplete.err, HasSubstr("a.pem: incomplete chain: intermediate \"R1\" is missing"));
  std::ofstream(fleetd.directory() + "/a.pem") << leaf.with({middle, root});
  const auto good = run({"config", "check", file});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.err, HasSubstr("warning: " + file + ": tls #1: " + fleetd.directory() + "/a.key: everybody"));
  const auto json = run({"--json", "config", "check", file});
  EXPECT_THAT(json.out, HasSubstr(R"("ok":true,"problems":[],"warnings":[")"));
}

TEST_F(Fleetctl, ReachesFleetdOverTcpWithItsToken) {
  const std::string token = fleetd.directory() + "/token";
  std::ofstream(token) << "0123456789abcdef\n";
  ApiConfig config;
  config.listen = Endpoint{"127.0.0.1", 0};
  config.token_file = token;
  ASSERT_TRUE(fleetd.configure(config));
  const std::string url = "http://" + to_string(*fleetd.tcp());
  EXPECT_EQ(test::run({kBinary, "--url", url, "status"}).code, 0);
  const auto refused = test::run({kBinary, "--url", url, "reload"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.err, "fleetctl: this needs a token\n");
  EXPECT_EQ(test::run({kBinary, "--url", url, "--token-file", token, "reload"}).code, 0);
}

}  // namespace
}  // namespace fleet::api
