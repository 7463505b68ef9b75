#include "last_good.hpp"

namespace fleet {
namespace {

// Whether, with this one, there were enough of late.
bool too_many(std::vector<LastGood::Time>& faults, LastGood::Time now) {
  std::erase_if(faults, [now](LastGood::Time fault) { return now - fault > LastGood::kWithin; });
  faults.push_back(now);
  if (faults.size() < LastGood::kFaults) return false;
  faults.clear();
  return true;
}

}  // namespace

void LastGood::serves(const WorkerBasis& basis) {
  if (!basis.program.empty() && basis.program != bad_program_) good_.program = basis.program, program_faults_.clear();
  if (basis.generation > good_.generation) good_.generation = basis.generation, table_faults_.clear();
}

// A new program is suspected before a new table: it is the one that can be wrong about any table.
LastGood::Change LastGood::faulted(const WorkerBasis& basis, bool maybe_table, Time now) {
  const bool new_program = !good_.program.empty() && !basis.program.empty() && basis.program != good_.program;
  if (new_program) {
    if (!too_many(program_faults_, now)) return Change::none;
    bad_program_ = basis.program;
    table_faults_.clear();
    return Change::program;
  }
  const bool new_table = good_.generation != 0 && basis.generation > good_.generation;
  if (!new_table || !maybe_table || !too_many(table_faults_, now)) return Change::none;
  bad_table_ = basis.generation;
  return Change::table;
}

}  // namespace fleet
