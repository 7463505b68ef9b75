// Who judges what the soak saw is judged here: nothing is excused that no fault explains.
#include "blame.hpp"

#include <gtest/gtest.h>

namespace fleet::soak {
namespace {

using test::Cause;
using test::Incident;

Fault fault(FaultKind kind) {
  Fault fault;
  fault.kind = kind;
  fault.at = 10'000;
  fault.until = 12'000;
  return fault;
}

Fault worker_fault(FaultKind kind) {
  auto of_worker = fault(kind);
  of_worker.connections = {4711};
  of_worker.counted_at = 10'020;
  return of_worker;
}

Fault instance_fault(FaultKind kind) {
  auto of_instance = fault(kind);
  of_instance.instance = "shop-v3-7";
  return of_instance;
}

// On a connection that was there at the fault, in the midst of which it failed.
Incident incident(Cause cause, std::string what = "GET /") {
  Incident incident;
  incident.what = std::move(what);
  incident.cause = name(cause);
  incident.port = 4711;
  incident.connected_at = 9'000;
  incident.begun_at = 9'900;
  incident.failed_at = 10'100;
  return incident;
}

LoggedRequest logged(int status = 502) { return {"shop-v3-7", "closed", status}; }

TEST(Excuse, IsNoneWithoutAFault) {
  for (std::size_t i = 0; i < enum_count<Cause>(); ++i) EXPECT_EQ(excuse(incident(static_cast<Cause>(i)), nullptr, {}), "");
}

TEST(Excuse, OfAKilledWorkerAreTheConnectionsThatItHeld) {
  const std::vector faults = {worker_fault(FaultKind::kill_worker)};
  EXPECT_EQ(excuse(incident(Cause::no_answer), nullptr, faults), "kill-worker: a connection of its own");
  EXPECT_NE(excuse(incident(Cause::cut), nullptr, faults), "");
  EXPECT_NE(excuse(incident(Cause::send), nullptr, faults), "");
  auto late = incident(Cause::no_answer);
  late.begun_at = late.failed_at = 60'000;
  EXPECT_NE(excuse(late, nullptr, faults), "") << "its client may notice when it will";
  auto noted_late = incident(Cause::no_answer);
  noted_late.connected_at = 10'040;
  EXPECT_NE(excuse(noted_late, nullptr, faults), "") << "the worker had it when it was stopped, whenever its client noted that";
}

TEST(Excuse, OfAKilledWorkerIsNoOtherConnectionAndNothingButItsEnd) {
  const std::vector faults = {worker_fault(FaultKind::kill_worker)};
  for (const auto cause : {Cause::connect, Cause::malformed, Cause::status, Cause::body}) {
    EXPECT_EQ(excuse(incident(cause), nullptr, faults), "") << name(cause);
  }
  auto other = incident(Cause::no_answer);
  other.port = 4712;
  EXPECT_EQ(excuse(other, nullptr, faults), "") << "another worker's";
  auto later = incident(Cause::no_answer);
  later.connected_at = 10'121;
  EXPECT_EQ(excuse(later, nullptr, faults), "") << "the same port, and a connection made since";
  auto earlier = incident(Cause::no_answer);
  earlier.failed_at = 9'999;
  EXPECT_EQ(excuse(earlier, nullptr, faults), "") << "before anything had happened";
}

TEST(Excuse, OfAStoppedWorkerEndsSoonAfterItGoesOn) {
  const std::vector faults = {worker_fault(FaultKind::stop_worker)};
  EXPECT_NE(excuse(incident(Cause::timeout), nullptr, faults), "");
  auto late = incident(Cause::timeout);
  late.failed_at = 15'001;
  EXPECT_EQ(excuse(late, nullptr, faults), "");
}

TEST(Excuse, OfAKilledInstanceArePostsAndAnswersThatHadBegun) {
  for (const auto kind : {FaultKind::kill_instance, FaultKind::stop_instance}) {
    const std::vector faults = {instance_fault(kind)};
    const auto post = logged(502), begun = logged(200);
    EXPECT_NE(excuse(incident(Cause::status, "POST /tx"), &post, faults), "");
    EXPECT_NE(excuse(incident(Cause::cut), &begun, faults), "");
  }
}

TEST(Excuse, OfAKilledInstanceIsNoGetThatItHadNotBegunToAnswer) {
  const std::vector faults = {instance_fault(FaultKind::kill_instance)};
  const auto post = logged(502), unavailable = logged(503);
  EXPECT_EQ(excuse(incident(Cause::status), &post, faults), "") << "a GET is sent again elsewhere";
  EXPECT_EQ(excuse(incident(Cause::status, "POST /tx"), &unavailable, faults), "") << "503 was not sent to it";
  EXPECT_EQ(excuse(incident(Cause::no_answer, "POST /tx"), &post, faults), "") << "the proxy has to say it";
  EXPECT_EQ(excuse(incident(Cause::status, "POST /tx"), nullptr, faults), "") << "no log says that it was sent there";
  auto other = logged(502);
  other.instance = "shop-v3-8";
  EXPECT_EQ(excuse(incident(Cause::status, "POST /tx"), &other, faults), "");
  auto before = incident(Cause::status, "POST /tx");
  before.failed_at = 9'999;
  EXPECT_EQ(excuse(before, &post, faults), "");
  auto after = incident(Cause::status, "POST /tx");
  after.begun_at = after.failed_at = 15'001;
  EXPECT_EQ(excuse(after, &post, faults), "") << "by then nothing may be sent there";
}

// Its program serves on: nothing fails for want of a shim.
TEST(Excuse, OfAKilledShimIsNothing) {
  const std::vector faults = {instance_fault(FaultKind::kill_shim)};
  const auto post = logged(502), begun = logged(200);
  EXPECT_EQ(excuse(incident(Cause::status, "POST /tx"), &post, faults), "");
  EXPECT_EQ(excuse(incident(Cause::cut), &begun, faults), "");
}

TEST(Excuse, OfAFleetdOrOfStarvationIsNothing) {
  for (const auto kind : {FaultKind::kill_fleetd, FaultKind::stop_fleetd, FaultKind::starve}) {
    auto with_everything = fault(kind);
    with_everything.connections = {4711};
    const std::vector faults = {with_everything};
    const auto post = logged(502);
    for (std::size_t i = 0; i < enum_count<Cause>(); ++i) {
      EXPECT_EQ(excuse(incident(static_cast<Cause>(i), "POST /tx"), &post, faults), "") << name(kind);
    }
  }
}

TEST(AccessLog, GivesTheLinesThatAreWantedByTheirMarks) {
  const std::string log =
      R"({"path":"/?n=run-1.1","target":"shop-v1-1","status":200})" "\n"
      R"({"path":"/slow?ms=3&n=run-1.2","target":"shop-v1-2","error":"closed","status":502})" "\n"
      "not JSON ?n=run-1.3\"\n"
      R"({"path":"/?n=run-1.11","target":"shop-v1-1","status":200})" "\n"
      R"({"path":"/?n=run-1.4","target":"shop-v1-1","status")";
  std::map<std::string, LoggedRequest> found;
  read_access_log(log, {"run-1.2", "run-1.1", "run-1.3", "run-1.4"}, found);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("run-1.1").status, 200);
  EXPECT_EQ(found.at("run-1.2").instance, "shop-v1-2");
  EXPECT_EQ(found.at("run-1.2").error, "closed");
  EXPECT_EQ(found.at("run-1.2").status, 502);
}

}  // namespace
}  // namespace fleet::soak
