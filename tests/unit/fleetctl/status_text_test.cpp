#include "status_text.hpp"

#include <gtest/gtest.h>

namespace fleet::ctl {
namespace {

using api::AppState;
using api::InstanceState;
using api::InstanceView;

const milliseconds kNow = *parse_time("2026-11-22T23:31:10.000Z");

api::StatusView status() {
  api::StatusView view;
  view.version = "0.1.0";
  view.generation = 12;
  view.started_at = "2026-11-22T20:19:10.000Z";
  view.workers = {{0, 100, api::WorkerState::accepting, 30, "w0", 0},
                  {1, 101, api::WorkerState::accepting, 4, "w1", 0}};
  api::AppView shop;
  shop.name = "shop";
  shop.release = 43;
  shop.state = AppState::serving;
  shop.hosts = {"shop.example.com"};
  shop.path = "/";
  shop.wanted = 2;
  shop.instances = {
      {"shop-v43-9", 43, InstanceState::ready, 200, 20001, 8, 0, "2026-11-22T23:30:10.000Z", "", 0, false, {}, ""},
      {"shop-v43-10", 43, InstanceState::ready, 201, 20002, 6, 0, "2026-11-22T23:30:10.000Z", "", 0, false, {}, ""},
  };
  api::AppView blog;
  blog.name = "blog";
  blog.path = "/blog";
  blog.wanted = 1;
  view.apps = {shop, blog};
  return view;
}

TEST(Status, IsOneLineForFleetdAndOneForEachApp) {
  EXPECT_EQ(status_text(status(), {}, kNow, {}),
            "fleetd 0.1.0, up 3 h 12 min · 2 of 2 workers accepting, 34 connections · routes of generation 12\n"
            "\n"
            "APP   RELEASE  STATE    READY  IN FLIGHT  RESTARTS  SERVES\n"
            "shop  v43      serving  2/2           14         0  shop.example.com\n"
            "blog  -        idle     0/1            0         0  any host /blog\n");
}

TEST(Status, SaysThatRequestsAreHeldAndHowTheyGoOn) {
  auto view = status();
  view.apps[0].held_until = "2026-11-22T23:31:35.000Z";
  EXPECT_NE(status_text(view, {}, kNow, {})
                .find("\nshop: requests are held for 25 s more at most · go on: fleetctl unhold --app shop\n"),
            std::string::npos)
      << status_text(view, {}, kNow, {});
}

TEST(Status, SaysThatAnInstanceCrashesAgainAndAgainAndWhenItIsStartedNext) {
  auto view = status();
  auto& instance = view.apps[0].instances[0];
  instance.state = InstanceState::backoff;
  instance.restarts = instance.crashes = 4;
  instance.crash_loop = true;
  instance.trouble = "exited with code 3";
  instance.next_start = "2026-11-22T23:31:15.000Z";
  EXPECT_NE(status_text(view, {}, kNow, {})
                .find("shop-v43-9: backoff for 1 min, 4 restarts, crash loop: 4 in a row, last: exited with code 3, started "
                      "again in 5.0 s · look: fleetctl logs --app shop\n"),
            std::string::npos)
      << status_text(view, {}, kNow, {});
}

TEST(Status, SaysForWhomAnAppWaitsAndThatADeployIsUnstable) {
  auto view = status();
  view.apps[1].awaits = {"db", "shop"};
  view.apps[0].unstable = "v43 crashed 3 times within 20s of the switch";
  const auto text = status_text(view, {}, kNow, {});
  EXPECT_NE(text.find("blog: not started yet, waits for db, shop\n"), std::string::npos) << text;
  EXPECT_NE(text.find("shop: unstable: v43 crashed 3 times within 20s of the switch · go back: fleetctl rollback --app shop\n"),
            std::string::npos)
      << text;
}

TEST(Status, SaysWhatWorkersHaveFallenBackTo) {
  auto view = status();
  view.fallback = api::FallbackView{"/var/lib/fleet/proxy/1", 7, "2026-11-22T23:30:10.000Z", "it ended 3 workers"};
  const auto text = status_text(view, {}, kNow, {});
  EXPECT_NE(text.find("proxy: fallen back to /var/lib/fleet/proxy/1 and the routes of generation 7 1 min ago: it ended 3 "
                      "workers · try the new again: fleetctl proxy upgrade\n"),
            std::string::npos)
      << text;
}

TEST(Status, SaysThatTheFileOfSettingsIsNotTheOneInForce) {
  auto view = status();
  view.config = "/etc/fleet/fleet.toml";
  view.config_changed = true;
  const auto text = status_text(view, {}, kNow, {});
  EXPECT_NE(text.find("/etc/fleet/fleet.toml: changed since it was loaded, not in force · look: fleetctl config check · take "
                      "it: fleetctl reload\n"),
            std::string::npos)
      << text;
}

TEST(Status, BeginsWithAlarms) {
  auto view = status();
  view.alarms = {{api::AlarmName::state_not_saved, "2026-11-22T23:30:10.000Z", "fleet.db: cannot write: disk is full"}};
  const auto text = status_text(view, {}, kNow, {});
  EXPECT_TRUE(
      text.starts_with("ALARM for 1 min: fleetd cannot save its state, so deploys stand still; what runs serves on: "
                       "fleet.db: cannot write: disk is full\nfleetd "))
      << text;
}

TEST(Status, ShowsASocketInPlaceOfThePort) {
  auto view = status();
  view.apps[0].instances[0].port = 0;
  view.apps[0].instances[0].socket = "/run/fleet/http/shop-v43-9";
  EXPECT_NE(status_text(view, "shop", kNow, {}).find("unix"), std::string::npos);
}

TEST(Status, OfOneAppSaysWhichBuildItsReleaseIs) {
  auto view = status();
  view.apps[0].sha256 = std::string(64, 'a');
  view.apps[0].release_url = "https://ci/shop.tar.gz";
  EXPECT_NE(status_text(view, "shop", kNow, {}).find("\nv43 is build " + std::string(64, 'a') + " from https://ci/shop.tar.gz\n"),
            std::string::npos);
  EXPECT_EQ(status_text(view, {}, kNow, {}).find("build"), std::string::npos);
  EXPECT_EQ(status_text(view, "blog", kNow, {}).find(" is "), std::string::npos);
}

TEST(HoldText, SaysForHowLongAndWhatIsStillUnderWay) {
  EXPECT_EQ(hold_text({"shop", "2026-11-22T23:31:40.000Z", 3}, kNow),
            "requests of shop are held, for 30 s at most; 3 earlier ones in flight");
  EXPECT_EQ(hold_text({"shop", {}, 3}, kNow), "requests of shop go on");
}

TEST(Status, AddsWhatIsNotAsItShouldBe) {
  auto view = status();
  view.apps[0].state = AppState::degraded;
  view.apps[0].instances[1].state = InstanceState::backoff;
  view.apps[0].instances[1].restarts = 3;
  view.workers[1].state = api::WorkerState::backoff;
  view.apps[1].deployment.emplace().id = 17;
  view.apps[1].deployment->phase = api::Phase::warm;
  view.apps[1].deployment->started_at = "2026-11-22T23:31:07.000Z";
  view.apps[1].deployment->requested_by = "uid 1000";
  EXPECT_EQ(status_text(view, {}, kNow, {}),
            "fleetd 0.1.0, up 3 h 12 min · 1 of 2 workers accepting, 34 connections · routes of generation 12\n"
            "\n"
            "APP   RELEASE  STATE     READY  IN FLIGHT  RESTARTS  SERVES\n"
            "shop  v43      degraded  1/2           14         3  shop.example.com\n"
            "blog  -        idle      0/1            0         0  any host /blog\n"
            "\n"
            "shop-v43-10: backoff for 1 min, 3 restarts · look: fleetctl logs --app shop\n"
            "blog: deploy, deployment 17, in warm, for 3.0 s, by uid 1000\n"
            "worker 1: backoff\n");
}

TEST(Status, AddsCertificatesThatWantAttention) {
  auto view = status();
  view.certificates.resize(5);
  view.certificates[1].state = api::CertificateState::expiring;
  view.certificates[1].file = "/b.pem";
  view.certificates[1].expires_at = "2026-11-26T03:31:10.000Z";
  view.certificates[2].state = api::CertificateState::expired;
  view.certificates[2].file = "/c.pem";
  view.certificates[3].state = api::CertificateState::former;
  view.certificates[3].problem = "/d.pem: holds no PEM certificate";
  view.certificates[4].state = api::CertificateState::refused;
  view.certificates[4].problem = "/e.pem: no such file";
  const auto text = status_text(view, {}, kNow, {});
  EXPECT_TRUE(text.ends_with("\n\n"
                             "certificate expiring: /b.pem, in 3 d 4 h\n"
                             "certificate expired: /c.pem, renew it\n"
                             "certificate former: /d.pem: holds no PEM certificate · its former version is served\n"
                             "certificate refused: /e.pem: no such file\n"))
      << text;
}

TEST(Status, OfOneAppHasItsInstances) {
  EXPECT_EQ(status_text(status(), "shop", kNow, {}),
            "fleetd 0.1.0, up 3 h 12 min · 2 of 2 workers accepting, 34 connections · routes of generation 12\n"
            "\n"
            "APP   RELEASE  STATE    READY  IN FLIGHT  RESTARTS  SERVES\n"
            "shop  v43      serving  2/2           14         0  shop.example.com\n"
            "\n"
            "INSTANCE     RELEASE  STATE  FOR    PID  PORT   IN FLIGHT  RESTARTS\n"
            "shop-v43-9   v43      ready  1 min  200  20001          8         0\n"
            "shop-v43-10  v43      ready  1 min  201  20002          6         0\n");
}

TEST(Status, SaysSoWhenThereIsNothing) {
  EXPECT_EQ(status_text({}, {}, kNow, {}),
            "fleetd , up - · 0 of 0 workers accepting, 0 connections · routes of generation 0\n"
            "no apps are configured\n");
}

TEST(Releases, SayWhereEachStands) {
  api::ReleasesView view;
  view.app = "shop";
  EXPECT_EQ(releases_text(view, kNow, {}), "shop has no releases yet\n");
  const std::string sha(64, 'a');
  using enum api::ReleaseState;
  view.releases = {
      {43, "https://b/s43.zip", sha, 4'200'000, "2026-11-22T23:21:10.000Z", true, true, "1.2", "", current, true},
      {42, "https://b/s42.zip", sha, 4'200'000, "2026-11-22T22:31:10.000Z", false, true, "", "", previous, false},
      {1, "https://b/s1.zip", sha, 100, "2026-11-20T23:31:10.000Z", false, false, "", "", removed, false}};
  EXPECT_EQ(releases_text(view, kNow, {}),
            "RELEASE  STATE            AGE     SIZE    VERSION  SHA-256       FROM\n"
            "v43      current, pinned  10 min  4.2 MB  1.2      aaaaaaaaaaaa  https://b/s43.zip\n"
            "v42      previous         1 h     4.2 MB  -        aaaaaaaaaaaa  https://b/s42.zip\n"
            "v1       removed          2 d     100 B   -        aaaaaaaaaaaa  https://b/s1.zip\n");
}

TEST(Gc, SaysWhatWentOrWouldAndWhatThatGivesBack) {
  api::GcView view;
  EXPECT_EQ(gc_text(view, {}), "nothing to remove\n");
  view.removed = {{"shop", 3, 4'200'000, "keep_age"}, {"shop", {}, 100, "4.tmp-17 was left"}};
  view.bytes = 4'200'100;
  const std::string what =
      "APP   RELEASE  GIVES BACK  WHY\n"
      "shop  v3       4.2 MB      keep_age\n"
      "shop  -        100 B       4.tmp-17 was left\n";
  EXPECT_EQ(gc_text(view, {}), what + "4.2 MB are given back\n");
  view.dry_run = true;
  EXPECT_EQ(gc_text(view, {}), what + "nothing is removed; without --dry-run 4.2 MB are given back\n");
}

}  // namespace
}  // namespace fleet::ctl
