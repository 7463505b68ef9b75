// Archives made in memory, honest and hostile.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <vector>

namespace fleet::test {

struct Item {
  std::string name, content{};
  unsigned type = AE_IFREG;
  unsigned mode = 0644;
  std::string link{};      // symlink target
  std::string hardlink{};  // makes it a hard link
  long long hole_to = 0;   // sparse: the file has this size, with a hole after the content
};

// Known to archive_write_set_format_filter_by_ext, as ".tar.gz", ".zip".
std::string make_archive(const std::string& extension, const std::vector<Item>& items);

std::string sha256_of(const std::string& bytes);

}  // namespace fleet::test
