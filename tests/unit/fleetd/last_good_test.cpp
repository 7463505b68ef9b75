#include "last_good.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <filesystem>
#include <fstream>

#include "net/task_group.hpp"
#include "program_copy.hpp"
#include "temp_dir.hpp"

namespace fleet {
namespace {

using namespace std::chrono_literals;
using Change = LastGood::Change;

struct LastGoodOf : testing::Test {
  LastGoodOf() {
    last_good.serves({"old", 0});
    last_good.serves({"", 7});
  }
  Change fault(const WorkerBasis& basis, bool maybe_table = true) {
    now += 1s;
    return last_good.faulted(basis, maybe_table, now);
  }
  Change faults(const WorkerBasis& basis, bool maybe_table = true) {
    EXPECT_EQ(fault(basis, maybe_table), Change::none);
    EXPECT_EQ(fault(basis, maybe_table), Change::none);
    return fault(basis, maybe_table);
  }
  LastGood last_good;
  LastGood::Time now{};
};

TEST_F(LastGoodOf, AProgramIsFallenBackFromAfterThreeFaultsOfAnother) {
  EXPECT_EQ(faults({"new", 7}), Change::program);
  EXPECT_TRUE(last_good.is_bad_program("new"));
  EXPECT_FALSE(last_good.is_bad_program("newer")) << "another file is tried";
  EXPECT_EQ(last_good.good().program, "old");
}

TEST_F(LastGoodOf, FaultsThatAreFarApartChangeNothing) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(fault({"new", 7}), Change::none);
    now += 31s;
  }
}

TEST_F(LastGoodOf, TheProgramThatServedIsNotFallenBackFrom) {
  EXPECT_EQ(faults({"old", 7}), Change::none);
  EXPECT_FALSE(last_good.fell_back());
}

TEST_F(LastGoodOf, ATableIsFallenBackFromWhenTheProgramIsKnownToServe) {
  EXPECT_EQ(faults({"old", 8}), Change::table);
  EXPECT_TRUE(last_good.is_bad_table(8));
  EXPECT_FALSE(last_good.is_bad_table(9));
}

TEST_F(LastGoodOf, AProgramIsSuspectedBeforeATable) {
  EXPECT_EQ(faults({"new", 8}), Change::program);
  EXPECT_FALSE(last_good.is_bad_table(8));
  EXPECT_EQ(faults({"old", 8}), Change::table);
}

TEST_F(LastGoodOf, ATableThatCanHaveNothingToDoWithItIsNotSuspected) {
  EXPECT_EQ(faults({"old", 8}, false), Change::none);
}

TEST_F(LastGoodOf, NothingIsFallenBackFromBeforeAnythingHasServed) {
  last_good = {};
  EXPECT_EQ(faults({"new", 8}), Change::none);
}

TEST_F(LastGoodOf, WhatHasServedInBetweenIsGood) {
  EXPECT_EQ(fault({"new", 8}), Change::none);
  EXPECT_EQ(fault({"new", 8}), Change::none);
  last_good.serves({"new", 0});
  last_good.serves({"", 8});
  EXPECT_EQ(faults({"new", 8}), Change::none);
}

TEST_F(LastGoodOf, IsTriedAgainWhenAskedAndATableWhenThereIsAnother) {
  (void)faults({"new", 8});
  (void)faults({"old", 8});
  last_good.retry_table();
  EXPECT_FALSE(last_good.is_bad_table(8));
  EXPECT_TRUE(last_good.is_bad_program("new"));
  last_good.try_again();
  EXPECT_FALSE(last_good.fell_back());
  EXPECT_EQ(faults({"new", 8}), Change::program) << "with the same patience as before";
}

// ---- the copy ------------------------------------------------------------------------------------------------------

struct Copy : TempDir {
  std::string folder = dir + "/proxy", program = dir + "/program";
  net::asio::io_context io;

  os::Fd open() const { return os::Fd(::open(program.c_str(), O_RDONLY | O_CLOEXEC)); }
  std::string content(const ProgramCopy& copy) { return read("proxy/" + copy.identity()); }
  Result<> keep(ProgramCopy& copy) {
    net::TaskGroup tasks(io);
    Result<> result = fail("it never ended");
    auto task = [&]() -> net::Task<> {
      auto file = open();
      auto identity = identity_of(file.get());
      result = co_await copy.keep(io, std::move(file), std::move(identity));
    };
    tasks.spawn(task());
    io.restart();
    io.run();
    return result;
  }
};

TEST_F(Copy, IsFoundAgainByTheNextFleetd) {
  write("program", std::string(3u << 20, 'x') + "end");
  ProgramCopy copy(folder);
  ASSERT_TRUE(keep(copy));
  EXPECT_EQ(copy.identity(), identity_of(open().get()));
  EXPECT_EQ(content(copy), read("program"));
  ProgramCopy next(folder);
  next.find();
  EXPECT_EQ(next.path(), copy.path());
}

TEST_F(Copy, TakesThePlaceOfTheOneBefore) {
  write("program", "old");
  ProgramCopy copy(folder);
  ASSERT_TRUE(keep(copy));
  std::filesystem::remove(program);
  write("program", "newer");
  ASSERT_TRUE(keep(copy));
  EXPECT_EQ(content(copy), "newer");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(Copy, ThatIsNotWholeIsNone) {
  write("program", "content");
  ProgramCopy copy(folder);
  ASSERT_TRUE(keep(copy));
  std::filesystem::resize_file(copy.path(), 3);
  ProgramCopy next(folder);
  next.find();
  EXPECT_EQ(next.identity(), "");
}

TEST_F(Copy, IsOfOneFileAndNotOfAnotherThatReadsTheSame) {
  const auto identity = [&](const char* text) {
    write("new", text);
    std::filesystem::rename(dir + "/new", program);
    return identity_of(open().get());
  };
  const auto first = identity("a");
  EXPECT_FALSE(first.empty());
  EXPECT_NE(identity("a"), first);
  EXPECT_EQ(identity_of(-1), "");
}

}  // namespace
}  // namespace fleet
