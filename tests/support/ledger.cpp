#include "support/ledger.hpp"

#include <filesystem>
#include <fstream>
#include <unordered_map>

namespace fleet::test {

bool write_transactions(const std::string& path, const Transactions& transactions) {
  std::ofstream out(path);
  for (const auto& id : transactions.acknowledged) out << '+' << id << '\n';
  for (const auto& id : transactions.uncertain) out << '?' << id << '\n';
  return static_cast<bool>(out.flush());
}

bool read_transactions(const std::string& path, Transactions& transactions) {
  std::ifstream in(path);
  if (!in) return false;
  for (std::string line; std::getline(in, line);) {
    if (line.size() < 2) continue;
    (line[0] == '+' ? transactions.acknowledged : transactions.uncertain).push_back(line.substr(1));
  }
  return true;
}

LedgerVerdict check_ledgers(const Transactions& transactions, const std::string& directory, const std::string& prefix) {
  LedgerVerdict verdict;
  std::unordered_map<std::string, int> times;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with("ledger-") || !name.ends_with(".log")) continue;
    ++verdict.files;
    std::ifstream in(entry.path());
    for (std::string id; std::getline(in, id);) {
      if (!id.starts_with(prefix)) continue;
      ++times[id];
      ++verdict.recorded;
    }
  }
  const auto blame = [&](std::uint64_t& count, const char* why, const std::string& id) {
    ++count;
    if (verdict.examples.size() < 10) verdict.examples.push_back(std::string(why) + " " + id);
  };
  const auto settle = [&](const std::string& id, bool must) {
    const auto found = times.find(id);
    if (found == times.end()) {
      if (must) blame(verdict.lost, "lost", id);
      return;
    }
    if (found->second > 1) blame(verdict.twice, "twice", id);
    times.erase(found);
  };
  verdict.acknowledged = transactions.acknowledged.size();
  for (const auto& id : transactions.acknowledged) settle(id, true);
  for (const auto& id : transactions.uncertain) settle(id, false);
  for (const auto& [id, count] : times) blame(verdict.foreign, "never sent", id);
  return verdict;
}

}  // namespace fleet::test
