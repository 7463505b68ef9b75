#include "views.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace fleet {
namespace {

// same_name() falls back to the first value without a word, so that the names have to agree.
template <class Api, class Plan>
void every_name_is_known(std::initializer_list<Plan> but = {}) {
  for (std::size_t i = 0; i < enum_count<Plan>(); ++i) {
    const auto value = static_cast<Plan>(i);
    if (std::ranges::find(but, value) != but.end()) continue;
    EXPECT_TRUE(from_name<Api>(name(value))) << name(value);
  }
}

TEST(Names, OfThePlannerAreTheApis) {
  every_name_is_known<api::EventType, plan::ReportKind>();
  every_name_is_known<api::Phase, plan::RolloutPhase>();
  every_name_is_known<api::DeploymentKind, plan::RolloutKind>();
  every_name_is_known<api::Outcome, plan::Outcome>({plan::Outcome::pending});
  every_name_is_known<api::InstanceState, plan::InstancePhase>();
  every_name_is_known<api::Step, wire::FetchPhase>();
}

TEST(Names, OfTheApiAreThePlanners) {
  every_name_is_known<plan::RolloutPhase, api::Phase>();
  every_name_is_known<plan::RolloutKind, api::DeploymentKind>();
  every_name_is_known<plan::Outcome, api::Outcome>();
  every_name_is_known<plan::InstancePhase, api::InstanceState>();
  every_name_is_known<wire::FetchPhase, api::Step>();
}

TEST(Names, OfHealthAreTheApis) {
  plan::AppState state;
  EXPECT_EQ(health_event("shop", std::string(plan::health_of(state))).data.state, api::AppState::idle);
  state.current = 1;
  EXPECT_EQ(health_event("shop", std::string(plan::health_of(state))).data.state, api::AppState::down);
  plan::Instance& instance = state.instances.emplace_back();
  EXPECT_EQ(health_event("shop", std::string(plan::health_of(state))).data.state, api::AppState::starting);
  instance.phase = plan::InstancePhase::ready;
  EXPECT_EQ(health_event("shop", std::string(plan::health_of(state))).data.state, api::AppState::serving);
  state.instances.emplace_back().phase = plan::InstancePhase::unhealthy;
  EXPECT_EQ(health_event("shop", std::string(plan::health_of(state))).data.state, api::AppState::degraded);
}

TEST(Events, CarryEveryFactOfAReport) {
  for (std::size_t i = 0; i < enum_count<plan::ReportKind>(); ++i) {
    plan::Report report;
    report.kind = static_cast<plan::ReportKind>(i);
    report.message = "something happened";
    report.deployment = 7;
    report.instance = "shop-v3-9";
    report.release = 3;
    report.pid = 1234;
    report.port = 20001;
    report.phase = plan::RolloutPhase::drain;
    report.exit_code = 137;
    report.signal = 9;
    const auto event = event_of("shop", report);
    EXPECT_EQ(name(event.type), name(report.kind));
    EXPECT_EQ(event.app, "shop");
    EXPECT_EQ(event.message, "something happened");
    EXPECT_EQ(event.deployment, 7u);
    EXPECT_EQ(event.data.instance, "shop-v3-9");
    EXPECT_EQ(event.data.release, 3u);
    EXPECT_EQ(event.data.pid, 1234u);
    EXPECT_EQ(event.data.port, 20001u);
    EXPECT_EQ(event.data.phase, api::Phase::drain);
    EXPECT_EQ(event.data.exit_code, 137);
    EXPECT_EQ(event.data.signal, 9);
    EXPECT_EQ(event.time.size(), std::string("2026-11-22T23:31:10.123Z").size());
  }
}

TEST(Events, LeaveOutWhatAReportDoesNotSay) {
  const auto event = event_of("shop", plan::Report{});
  EXPECT_FALSE(event.deployment);
  EXPECT_FALSE(event.data.instance || event.data.release || event.data.pid || event.data.port || event.data.phase ||
               event.data.exit_code || event.data.signal);
}

TEST(Events, OfAPublishedTableNameIt) {
  EXPECT_EQ(published_event("shop", 12).data.generation, 12u);
  EXPECT_EQ(published_event("shop", 12).type, api::EventType::route_published);
}

TEST(Events, OfProgressSayHowFar) {
  const auto event = progress_event("shop", 4, show_progress({wire::FetchPhase::unpack, 10, 20, 0}));
  EXPECT_EQ(event.type, api::EventType::deployment_progress);
  EXPECT_EQ(event.deployment, 4u);
  EXPECT_EQ(event.data.step, api::Step::unpack);
  EXPECT_EQ(event.data.bytes, 10u);
  EXPECT_EQ(event.data.total, 20u);
  EXPECT_EQ(event.data.rate, std::nullopt);
  EXPECT_EQ(event.data.remaining_ms, std::nullopt);
}

TEST(Events, OfProgressSayHowFastAndHowLongStill) {
  const auto event = progress_event("shop", 4, show_progress({wire::FetchPhase::download, 1000, 3000, 500}));
  EXPECT_EQ(event.data.rate, 500u);
  EXPECT_EQ(event.data.remaining_ms, milliseconds(4000));
  EXPECT_EQ(show_progress({wire::FetchPhase::download, 1000, 0, 500}).remaining_ms, std::nullopt) << "of how much is not known";
}

plan::Rollout rollout(plan::Outcome outcome) {
  plan::Rollout rollout;
  rollout.deployment = 5;
  rollout.url = "https://u:p@host/a.tgz?k=v";
  rollout.release = 3;
  rollout.previous = 2;
  rollout.phase = outcome == plan::Outcome::pending ? plan::RolloutPhase::warm : plan::RolloutPhase::done;
  rollout.phases = {{plan::RolloutPhase::prepare, milliseconds(40)}};
  rollout.outcome = outcome;
  rollout.requested_by = "uid 0";
  return rollout;
}

api::DeploymentView shown(const plan::Rollout& of) {
  api::DeploymentView view;
  show_rollout(view, of);
  return view;
}

TEST(DeploymentView, ShowsTheRolloutWithoutItsSecrets) {
  const auto view = shown(rollout(plan::Outcome::pending));
  EXPECT_EQ(view.url, "https://host/a.tgz");
  EXPECT_EQ(view.release, 3u);
  EXPECT_EQ(view.previous_release, 2u);
  EXPECT_EQ(view.phase, api::Phase::warm);
  ASSERT_EQ(view.phases.size(), 1u);
  EXPECT_EQ(view.phases[0].phase, api::Phase::prepare);
  EXPECT_EQ(view.phases[0].ms, milliseconds(40));
  EXPECT_FALSE(view.outcome || view.error);
  EXPECT_EQ(view.state, api::DeploymentState::running);
}

TEST(DeploymentView, OfTheFirstReleaseHasNoPrevious) {
  auto first = rollout(plan::Outcome::pending);
  first.release = first.previous = 0;
  EXPECT_FALSE(shown(first).release);
  EXPECT_FALSE(shown(first).previous_release);
}

TEST(DeploymentView, EveryOutcomeHasItsState) {
  EXPECT_EQ(shown(rollout(plan::Outcome::changed)).state, api::DeploymentState::succeeded);
  EXPECT_EQ(shown(rollout(plan::Outcome::already_current)).state, api::DeploymentState::succeeded);
  EXPECT_EQ(shown(rollout(plan::Outcome::changed)).outcome, api::Outcome::changed);
  EXPECT_EQ(shown(rollout(plan::Outcome::already_current)).outcome, api::Outcome::already_current);

  auto failed = rollout(plan::Outcome::kept_old);
  failed.error_kind = ErrorKind::unhealthy;
  failed.error = "exited";
  failed.exit_code = 3;
  EXPECT_EQ(shown(failed).state, api::DeploymentState::failed);
  EXPECT_EQ(shown(failed).outcome, api::Outcome::kept_old);
  EXPECT_EQ(shown(failed).error->kind, ErrorKind::unhealthy);
  EXPECT_EQ(shown(failed).error->exit_code, 3);

  failed.error_kind = ErrorKind::aborted;
  EXPECT_EQ(shown(failed).state, api::DeploymentState::aborted);
  failed.outcome = plan::Outcome::rolled_back;
  EXPECT_EQ(shown(failed).state, api::DeploymentState::failed);
  EXPECT_EQ(shown(failed).outcome, api::Outcome::rolled_back);
}

TEST(DeploymentView, KeepsItsLogTailWhenItIsShownAgain) {
  auto failed = rollout(plan::Outcome::kept_old);
  failed.error = "exited";
  auto view = shown(failed);
  view.error->log_tail = {"last words"};
  show_rollout(view, failed);
  EXPECT_EQ(view.error->log_tail, std::vector<std::string>{"last words"});
}

TEST(DeploymentView, FetchProgressEndsWithThePrepare) {
  api::DeploymentView view;
  view.progress.emplace();
  auto now = rollout(plan::Outcome::pending);
  now.phase = plan::RolloutPhase::prepare;
  show_rollout(view, now);
  EXPECT_TRUE(view.progress);
  now.phase = plan::RolloutPhase::warm;
  show_rollout(view, now);
  EXPECT_FALSE(view.progress);
}

TEST(FinishedEvent, SaysHowItEnded) {
  auto failed = rollout(plan::Outcome::kept_old);
  failed.error_kind = ErrorKind::fetch;
  failed.error = "no such file";
  auto view = shown(failed);
  view.id = 5;
  view.app = "shop";
  const auto event = finished_event(view);
  EXPECT_EQ(event.type, api::EventType::deployment_finished);
  EXPECT_EQ(event.deployment, 5u);
  EXPECT_EQ(event.data.outcome, api::Outcome::kept_old);
  EXPECT_EQ(event.data.error_kind, ErrorKind::fetch);
  EXPECT_EQ(event.message, "failed: no such file");
}

TEST(InstanceView, ShowsAPidOnlyOfWhatMayRun) {
  plan::Instance instance;
  instance.id = "shop-v1-1";
  instance.pid = 99;
  for (std::size_t i = 0; i < enum_count<plan::InstancePhase>(); ++i) {
    instance.phase = static_cast<plan::InstancePhase>(i);
    const auto view = show_instance(instance, 4, "then");
    EXPECT_EQ(name(view.state), name(instance.phase));
    EXPECT_EQ(view.pid, plan::is_running(instance.phase) ? 99u : 0u) << name(instance.phase);
    EXPECT_EQ(view.in_flight, 4u);
    EXPECT_EQ(view.since, "then");
  }
}

TEST(Summary, IsOneLineForEveryOutcome) {
  for (std::size_t i = 0; i < enum_count<plan::Outcome>(); ++i) {
    const auto text = summary("shop", rollout(static_cast<plan::Outcome>(i)));
    EXPECT_TRUE(text.starts_with("deploy 5 of shop")) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace fleet
