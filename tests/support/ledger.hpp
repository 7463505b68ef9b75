// What was asked and acknowledged, against what the application's ledgers say: nothing lost, nothing twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fleet::test {

struct Transactions {
  std::vector<std::string> acknowledged;  // answered 200
  std::vector<std::string> uncertain;     // sent, and no right answer came: in a ledger once or not at all
};

// A file with a line per id: "+id" acknowledged, "?id" uncertain.
bool write_transactions(const std::string& path, const Transactions&);
bool read_transactions(const std::string& path, Transactions&);

struct LedgerVerdict {
  std::uint64_t acknowledged = 0, recorded = 0, files = 0;
  std::uint64_t lost = 0;     // acknowledged and in no ledger
  std::uint64_t twice = 0;    // in the ledgers more than once
  std::uint64_t foreign = 0;  // in a ledger and never sent
  std::vector<std::string> examples;
  bool exact() const { return acknowledged > 0 && lost == 0 && twice == 0 && foreign == 0; }
};

// Reads every ledger-*.log beneath `directory`; of the ids there, those that begin with `prefix`.
LedgerVerdict check_ledgers(const Transactions&, const std::string& directory, const std::string& prefix = {});

}  // namespace fleet::test
