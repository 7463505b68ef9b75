#include "store.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>

#include "sqlite_spy.hpp"
#include "temp_dir.hpp"

namespace fleet {
namespace {

class StoreTest : public TempDir {
 protected:
  std::string path() const { return dir + "/fleet.db"; }
  Store open() {
    auto store = Store::open(path());
    if (!store) throw std::runtime_error(store.error().text);
    return std::move(*store);
  }
  // As an operator with sqlite3(1) would.
  std::string sql(const std::string& text) {
    sqlite3* db = nullptr;
    sqlite3_open(path().c_str(), &db);
    std::string answer;
    const auto row = [](void* out, int, char** values, char**) {
      *static_cast<std::string*>(out) += values[0] ? values[0] : "null";
      return 0;
    };
    char* error = nullptr;
    if (sqlite3_exec(db, text.c_str(), row, &answer, &error) != SQLITE_OK) answer = std::string("error: ") + error;
    sqlite3_free(error);
    sqlite3_close(db);
    return answer;
  }
};

plan::AppState full_state() {
  plan::AppState state;
  state.name = "shop";
  state.current = 4;
  state.previous = 3;
  state.next_release = 5;
  state.next_serial = 77;
  state.current_sha256 = "abc";
  state.published = 12;
  plan::Instance instance;
  instance.id = "shop-v4-76";
  instance.release = 4;
  instance.phase = plan::InstancePhase::draining;
  instance.port = 20123;
  instance.pid = 4321;
  instance.start_time = 1ull << 63;
  instance.deadline = milliseconds(123456789);
  instance.trouble = "said \"no\"\n\xc3\xa9";
  state.instances.push_back(instance);
  plan::Rollout rollout;
  rollout.deployment = 9;
  rollout.kind = plan::RolloutKind::rollback;
  rollout.phase = plan::RolloutPhase::drain;
  rollout.phases = {{plan::RolloutPhase::prepare, milliseconds(5)}};
  rollout.exit_code = -1;
  state.rollout = rollout;
  return state;
}

DeploymentRecord record(api::DeploymentId id, api::DeploymentState state) {
  DeploymentRecord record;
  record.view.id = id;
  record.view.app = "shop";
  record.view.state = state;
  record.view.error.emplace().log_tail = {"a", "b"};
  record.baseline.requests = 1000;
  record.baseline.cut = 2;
  return record;
}

TEST_F(StoreTest, GivesBackEveryFieldOfAnApp) {
  const auto state = full_state();
  ASSERT_TRUE(open().put_app(state));
  const auto states = open().apps();
  ASSERT_TRUE(states);
  ASSERT_EQ(states->size(), 1u);
  EXPECT_TRUE(states->front() == state);
}

TEST_F(StoreTest, ALaterStateReplacesTheFormer) {
  auto store = open();
  auto state = full_state();
  ASSERT_TRUE(store.put_app(state));
  state.current = 5;
  ASSERT_TRUE(store.put_app(state));
  ASSERT_EQ(store.apps()->size(), 1u);
  EXPECT_EQ(store.apps()->front().current, 5u);
}

TEST_F(StoreTest, KeepsDeploymentsAndKnowsWhichRun) {
  {
    auto store = open();
    ASSERT_TRUE(store.put_deployment(record(1, api::DeploymentState::running)));
    ASSERT_TRUE(store.put_deployment(record(2, api::DeploymentState::running)));
    ASSERT_TRUE(store.put_deployment(record(1, api::DeploymentState::failed)));
  }
  auto store = open();
  const auto running = store.running_deployments();
  ASSERT_EQ(running->size(), 1u);
  EXPECT_EQ(running->front().view.id, 2u);
  EXPECT_EQ(running->front().baseline.requests, 1000u);
  EXPECT_EQ(running->front().baseline.cut, 2u);
  const auto first = store.deployment(1);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->view.state, api::DeploymentState::failed);
  EXPECT_EQ((*first)->view.error->log_tail, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(*store.deployment(3));
}

TEST_F(StoreTest, ListsReleasesOfOneAppNewestFirst) {
  auto store = open();
  for (const std::uint64_t number : {2u, 10u, 9u}) {
    Release release;
    release.app = "shop";
    release.number = number;
    release.sha256 = "digest " + std::to_string(number);
    ASSERT_TRUE(store.put_release(release));
  }
  Release other;
  other.app = "blog";
  other.number = 11;
  ASSERT_TRUE(store.put_release(other));
  const auto releases = store.releases("shop");
  ASSERT_EQ(releases->size(), 3u);
  EXPECT_EQ(releases->at(0).number, 10u);
  EXPECT_EQ(releases->at(2).sha256, "digest 2");
}

TEST_F(StoreTest, KeepsTheNewestEventsInOrder) {
  auto store = open();
  for (std::uint64_t seq = 1; seq <= 10; ++seq) {
    api::EventView event;
    event.seq = seq;
    event.message = "event " + std::to_string(seq);
    ASSERT_TRUE(store.put_event(event));
  }
  ASSERT_EQ(store.events(3)->size(), 3u);
  EXPECT_EQ(store.events(3)->front().message, "event 8");
  ASSERT_TRUE(store.prune_events(4));
  ASSERT_EQ(store.events(100)->size(), 4u);
  EXPECT_EQ(store.events(100)->front().seq, 7u);
}

TEST_F(StoreTest, PruningNoEventsIsNoError) { EXPECT_TRUE(open().prune_events(10)); }

TEST_F(StoreTest, AFactThatWasNeverPutIsEmpty) {
  auto store = open();
  EXPECT_EQ(*store.get("generation"), "");
  ASSERT_TRUE(store.put("generation", "7"));
  ASSERT_TRUE(store.put("generation", "8"));
  EXPECT_EQ(*store.get("generation"), "8");
}

TEST_F(StoreTest, AWorkThatFailsLeavesNothing) {
  auto store = open();
  ASSERT_TRUE(store.put("generation", "1"));
  const auto work = [&]() -> Result<> {
    TRYV(store.put("generation", "2"));
    TRYV(store.put_app(full_state()));
    return fail("changed my mind");
  };
  const auto saved = store.save(work);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().text, "changed my mind");
  EXPECT_EQ(*store.get("generation"), "1");
  EXPECT_TRUE(store.apps()->empty());
  EXPECT_TRUE(store.save([&] { return store.put("generation", "3"); })) << "the next one works";
  EXPECT_EQ(*store.get("generation"), "3");
}

TEST_F(StoreTest, WhatAnotherWriterHoldsUpFailsAndLeavesNothing) {
  auto store = open();
  sqlite3* other = nullptr;
  sqlite3_open(path().c_str(), &other);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_FALSE(store.save([&] { return store.put("generation", "2"); }));
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_EQ(*store.get("generation"), "");
  EXPECT_TRUE(store.save([&] { return store.put("generation", "2"); }));
}

TEST_F(StoreTest, ADatabaseThatCannotGrowFailsToSaveAndServesWhatItHas) {
  auto store = open();
  ASSERT_TRUE(store.put("generation", "1"));
  const std::string big(200'000, 'x');
  const FilesStaySmall limit(64 * 1024);
  EXPECT_FALSE(store.save([&] { return store.put("big", big); }));
  EXPECT_EQ(*store.get("big"), "");
  EXPECT_EQ(*store.get("generation"), "1");
}

TEST_F(StoreTest, TellsHowEachAttemptToWriteHasEnded) {
  auto store = open();
  std::vector<bool> told;
  store.tell([&](const Result<>& saved) { told.push_back(saved.has_value()); });
  ASSERT_TRUE(store.put("generation", "1"));
  EXPECT_EQ(told, std::vector<bool>{true});
  ASSERT_TRUE(store.save([&]() -> Result<> {
    TRYV(store.put("generation", "2"));
    return store.put_app(full_state());
  }));
  EXPECT_EQ(told, (std::vector<bool>{true, true})) << "once for all that was saved together";
  (void)store.get("generation");
  (void)store.apps();
  EXPECT_EQ(told.size(), 2u) << "reading is no writing";
  told.clear();
  const std::string big(200'000, 'x');
  {
    const FilesStaySmall limit(64 * 1024);
    EXPECT_FALSE(store.put("big", big));
    EXPECT_FALSE(store.save([&] { return store.put("big", big); }));
  }
  EXPECT_EQ(told, (std::vector<bool>{false, false}));
  ASSERT_TRUE(store.put("big", big));
  EXPECT_TRUE(told.back());
}

TEST_F(StoreTest, ANewersSchemaIsRefused) {
  (void)open();
  sql("PRAGMA user_version = 99");
  const auto store = Store::open(path());
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().text.find("newer fleetd"), std::string::npos) << store.error().text;
  EXPECT_NE(store.error().text.find(path()), std::string::npos);
}

TEST_F(StoreTest, AFileIsCheckedWithoutATouchWhileAnotherFleetdWorksWithIt) {
  EXPECT_TRUE(Store::check(path())) << "none yet";
  EXPECT_FALSE(std::filesystem::exists(path())) << "and none was made";
  auto store = open();
  ASSERT_TRUE(store.put_app(full_state()));
  const auto before = read("fleet.db");
  ASSERT_TRUE(store.save([&] {
    EXPECT_TRUE(Store::check(path())) << "in the midst of a transaction";
    return store.put("generation", "7");
  }));
  EXPECT_EQ(read("fleet.db"), before);
  sql("UPDATE apps SET state = 'nonsense'");
  EXPECT_EQ(Store::check(path()).error().kind, ErrorKind::verify);
  sql("PRAGMA user_version = 99");
  EXPECT_NE(Store::check(path()).error().text.find("newer fleetd"), std::string::npos);
  EXPECT_EQ(sql("PRAGMA user_version"), "99");
  write("other.db", std::string(8192, 'z'));
  EXPECT_EQ(Store::check(dir + "/other.db").error().kind, ErrorKind::verify);
}

TEST_F(StoreTest, AFileThatIsNoDatabaseIsRefused) {
  write("fleet.db", std::string(8192, 'z'));
  const auto store = Store::open(path());
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().text.find("not a database"), std::string::npos) << store.error().text;
  EXPECT_EQ(read("fleet.db"), std::string(8192, 'z')) << "and left as it was";
}

TEST_F(StoreTest, ADamagedRecordIsAnErrorThatNamesTheFile) {
  ASSERT_TRUE(open().put_app(full_state()));
  for (const auto* damage : {"UPDATE apps SET state = '{\"name\":'", "UPDATE apps SET state = '{\"current\":\"four\"}'",
                             "UPDATE apps SET state = x'ff00'"}) {
    ASSERT_EQ(sql(damage), "");
    const auto states = open().apps();
    ASSERT_FALSE(states) << damage;
    EXPECT_NE(states.error().text.find(path()), std::string::npos) << states.error().text;
  }
}

TEST_F(StoreTest, ADamagedPageIsAnErrorAndNoCrash) {
  {
    auto store = open();
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(store.put("key" + std::to_string(i), std::string(500, 'x')));
  }
  auto bytes = read("fleet.db");
  ASSERT_GT(bytes.size(), 40'000u);
  for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31);
  write("fleet.db", bytes);
  auto store = Store::open(path());
  if (store) {
    EXPECT_FALSE(store->get("key7"));
  }
}

TEST_F(StoreTest, IsForFleetdsEyesOnly) {
  (void)open();
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(StoreTest, WritesAheadSoThatReadersAndPowerCutsDoNoHarm) {
  (void)open();
  EXPECT_EQ(sql("PRAGMA journal_mode"), "wal");
}

TEST_F(StoreTest, WhatWasSavedWasSyncedBeforeSaveReturned) {
  const CountedSyncs counted;
  auto store = open();
  const auto before = counted.of_logs();
  ASSERT_TRUE(store.save([&] { return store.put("generation", "2"); }));
  EXPECT_GT(counted.of_logs(), before);
}

}  // namespace
}  // namespace fleet
