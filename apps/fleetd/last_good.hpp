// With what proxy workers are to be started: with what is new, or, after that has ended workers soon and repeatedly, with
// what served before. Pure: no clock, no I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace fleet {

// What a worker was started with, or what it was given: which file the program was (see identity_of()), and the
// generation of the table. Empty, 0: not known.
struct WorkerBasis {
  std::string program;
  std::uint64_t generation = 0;
};

class LastGood {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Change : std::uint8_t { none, program, table };

  static constexpr std::size_t kFaults = 3;              // so many
  static constexpr auto kWithin = std::chrono::minutes(1);  // in such a time

  // A worker has served with this for a while.
  void serves(const WorkerBasis& basis);

  // A worker that was started with this has ended by a fault of its own, soon after it began or was given the table, or
  // it did not come to accept. `maybe_table`: the table can have to do with it. Answers what is fallen back from now.
  Change faulted(const WorkerBasis& basis, bool maybe_table, Time now);

  // Both are tried again: somebody asked for it.
  void try_again() { bad_program_.clear(), retry_table(); }
  // There is another table.
  void retry_table() { bad_table_ = 0, table_faults_.clear(); }

  // Whether in place of this program the good one is to be started; in place of this table the good one be given.
  bool is_bad_program(const std::string& program) const { return !bad_program_.empty() && program == bad_program_; }
  bool is_bad_table(std::uint64_t generation) const { return bad_table_ != 0 && generation == bad_table_; }
  bool fell_back() const { return !bad_program_.empty() || bad_table_ != 0; }

  // For the next fleetd, and from the former one.
  const std::string& bad_program() const { return bad_program_; }
  std::uint64_t bad_table() const { return bad_table_; }
  void restore(std::string bad_program, std::uint64_t bad_table) {
    bad_program_ = std::move(bad_program), bad_table_ = bad_table;
  }

  const WorkerBasis& good() const { return good_; }

 private:
  WorkerBasis good_;
  std::string bad_program_;
  std::uint64_t bad_table_ = 0;
  std::vector<Time> program_faults_, table_faults_;
};

}  // namespace fleet
