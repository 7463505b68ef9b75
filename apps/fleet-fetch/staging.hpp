// The folder that becomes a release: built beside its destination under another name, and there under its own name
// whole or not at all.
#pragma once

#include <string>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::fetch {

class Staging {
 public:
  // Makes `<destination>.tmp-<pid>`, and makes its parent the current folder. What fetches that were killed have left
  // in the parent is removed. Errors: `destination` is there already.
  static Result<Staging> create(const std::string& destination);

  Staging(Staging&&) noexcept = default;
  Staging& operator=(Staging&&) = delete;
  ~Staging();  // removes it, unless it was published

  int root() const { return root_.get(); }

  // Puts all of it on disk, then gives it its name, then puts that on disk.
  Result<> publish();

 private:
  Staging(os::Fd parent, std::string final_name);

  os::Fd parent_, root_;
  std::string final_name_, name_;
  bool published_ = false;
};

}  // namespace fleet::fetch
