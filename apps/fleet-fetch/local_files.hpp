// Local files that a job may read. The process that reads from strangers may have a user of its own, to whom an
// operator's files are nobody's business; so it asks the one that started it.
#pragma once

#include <string>
#include <vector>

#include "core/result.hpp"
#include "os/fd.hpp"
#include "wire/frame.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

class LocalFiles {
 public:
  virtual ~LocalFiles() = default;
  // For reading; also a folder. Errors: not_found; denied, where it is not beneath a root.
  virtual Result<os::Fd> open(const std::string& path) = 0;
};

// Opens them itself, beneath the job's roots if it has such.
class OwnFiles : public LocalFiles {
 public:
  explicit OwnFiles(const wire::FetchJob& job);
  Result<os::Fd> open(const std::string& path) override;

  // Answers what has come from AskedFiles on this socket. Errors: nothing comes any more.
  Result<> answer(int socket);

 private:
  bool is_beneath_a_root(const std::string& path) const;

  bool rooted_;
  std::vector<std::string> roots_;  // as named, and without symlinks
  wire::FrameReader asked_;
};

class AskedFiles : public LocalFiles {
 public:
  explicit AskedFiles(int socket) : socket_(socket) {}  // borrowed
  Result<os::Fd> open(const std::string& path) override;

 private:
  int socket_;
};

}  // namespace fleet::fetch
