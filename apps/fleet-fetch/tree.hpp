// Writes beneath one folder and nowhere else: every path is resolved by the kernel with openat2 RESOLVE_BENEATH and
// without symlinks, so that even a path that should not have been admitted leads nowhere. Paths are relative, normal.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::fetch {

class Tree {
 public:
  explicit Tree(int root) : root_(root) {}  // borrowed

  Result<> make_folder(const std::string& path);
  Result<os::Fd> create_file(const std::string& path);
  Result<> make_symlink(const std::string& path, const std::string& target);
  Result<> make_hardlink(const std::string& path, const std::string& existing);

  // A file is finished: 0555 or 0444, whatever the archive's modes for group and others, since the application may run
  // as any user.
  static Result<> seal(const os::Fd& file, bool executable, std::time_t modified);
  // All folders become 0555. Their owner makes them writable again to remove them (os::remove_tree does).
  Result<> seal_folders();

 private:
  // The folder that `path` is in, and its last part.
  Result<std::pair<int, const char*>> place_of(const std::string& path);
  os::Fd open(const std::string& path, std::uint64_t flags, std::uint64_t mode = 0) const;

  int root_;
  std::string near_path_;  // the folder written to last, kept open: entries come folder by folder
  os::Fd near_;
  std::vector<std::string> folders_;
};

}  // namespace fleet::fetch
