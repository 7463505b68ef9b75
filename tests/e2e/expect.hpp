// What the e2e tests expect again and again.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/fleet.hpp"
#include "support/traffic.hpp"

namespace fleet::test {

// fleetctl's exit code (issue 2, "Exit codes").
enum : int {
  kDone = 0,
  kInternal = 1,
  kUsage = 2,
  kBusy = 3,
  kUnhealthy = 4,
  kFetch = 5,
  kRolledBack = 6,
  kTimeout = 7,
  kUnreachable = 8
};

// Of limits of time: the programs of a debug or sanitizer build need more.
#ifdef FLEET_OPTIMISED
inline constexpr int kRoom = 1;
#else
inline constexpr int kRoom = 3;
#endif

// How thorough a test is: of the points that there are it takes every so many, or it does something so many times.
// FLEET_EVERY=1 takes all points, FLEET_TIMES=N does all that is counted N times as often.
unsigned every_or(unsigned otherwise);
unsigned times(unsigned otherwise);

::testing::AssertionResult ended(const Ran& ran, int code);

// The version that GET / on a connection of its own shows now; or what went wrong.
std::string version_at(const Peer& peer);

// Both listeners show that version.
::testing::AssertionResult serves(const Fleet& fleet, const std::string& version);

// The app runs that many ready instances and nothing else, no deployment.
::testing::AssertionResult settled(const Fleet& fleet, unsigned instances = 2, const std::string& app = "shop");

// Nothing lost, and the load really ran and saw these versions.
::testing::AssertionResult lossless(const Verdict& verdict, const std::vector<std::string>& versions);

// So many requests are with instances of the app.
::testing::AssertionResult under_way(const Fleet& fleet, int requests, const std::string& app = "shop");

// How many demo servers this test has running, in or out of rotation.
std::size_t servers_running();

}  // namespace fleet::test
