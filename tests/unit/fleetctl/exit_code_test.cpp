#include "exit_code.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace fleet::ctl {
namespace {

using api::DeploymentState;
using api::DeploymentView;
using api::Outcome;

DeploymentView ended(DeploymentState state, Outcome outcome, std::optional<ErrorKind> error = {}) {
  DeploymentView view;
  view.state = state;
  view.outcome = outcome;
  if (error) view.error.emplace().kind = *error;
  return view;
}

TEST(ExitCode, IsTheSameForeverForEachKindOfError) {
  const std::pair<ErrorKind, int> expected[] = {
      {ErrorKind::internal, 1}, {ErrorKind::usage, 2},       {ErrorKind::not_found, 2}, {ErrorKind::denied, 2},
      {ErrorKind::busy, 3},     {ErrorKind::unhealthy, 4},   {ErrorKind::aborted, 4},   {ErrorKind::fetch, 5},
      {ErrorKind::verify, 5},   {ErrorKind::unreachable, 8},
  };
  ASSERT_EQ(std::size(expected), enum_count<ErrorKind>());
  for (const auto& [kind, code] : expected) EXPECT_EQ(static_cast<int>(exit_for(kind)), code) << name(kind);
}

TEST(ExitCode, SaysHowADeploymentEnded) {
  EXPECT_EQ(exit_for(ended(DeploymentState::succeeded, Outcome::changed)), Exit::done);
  EXPECT_EQ(exit_for(ended(DeploymentState::succeeded, Outcome::already_current)), Exit::done);
  EXPECT_EQ(exit_for(ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::unhealthy)), Exit::unhealthy);
  EXPECT_EQ(exit_for(ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::fetch)), Exit::fetch);
  EXPECT_EQ(exit_for(ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::verify)), Exit::fetch);
  EXPECT_EQ(exit_for(ended(DeploymentState::failed, Outcome::kept_old)), Exit::internal);
  EXPECT_EQ(exit_for(ended(DeploymentState::aborted, Outcome::kept_old)), Exit::unhealthy);
  EXPECT_EQ(exit_for(ended(DeploymentState::failed, Outcome::rolled_back, ErrorKind::unhealthy)), Exit::rolled_back);
  EXPECT_EQ(exit_for(ended(DeploymentState::succeeded, Outcome::rolled_back)), Exit::rolled_back);
  EXPECT_EQ(exit_for(DeploymentView{}), Exit::timeout);
}

TEST(ExitCode, OfADeploymentNeverSaysThatFleetdDidNotAnswer) {
  EXPECT_EQ(exit_for(ended(DeploymentState::failed, Outcome::kept_old, ErrorKind::unreachable)), Exit::internal);
}

TEST(ExitCode, StandsInTheManualWithItsMeaning) {
  std::ifstream file(FLEET_SOURCE_DIR "/deploy/man/fleetctl.1");
  std::stringstream manual;
  manual << file.rdbuf();
  for (const auto& [code, meaning] : kExitMeanings) {
    const std::string entry = ".B " + std::to_string(static_cast<int>(code)) + "\n" + std::string(meaning) + "\n";
    EXPECT_NE(manual.str().find(entry), std::string::npos) << entry;
  }
}

}  // namespace
}  // namespace fleet::ctl
