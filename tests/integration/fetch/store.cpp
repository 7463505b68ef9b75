#include "store.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "archives.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;

std::string describe(const fs::directory_entry& entry) {
  const auto status = entry.symlink_status();
  const auto mode = std::to_string(static_cast<unsigned>(status.permissions()));
  if (entry.is_symlink()) return "link to " + fs::read_symlink(entry.path()).string();
  if (entry.is_directory()) return "folder " + mode;
  if (!entry.is_regular_file()) return "special";
  std::ifstream file(entry.path(), std::ios::binary);
  return "file " + mode + ' ' + sha256_of(std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace

std::map<std::string, std::string> contents_of(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) out[entry.path()] = describe(entry);
  return out;
}

}  // namespace fleet::test
