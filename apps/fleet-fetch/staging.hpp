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

  // Lets this user write into it (0: who we are), until it is taken back with all that is in it; nobody else may write
  // meanwhile.
  Result<> give_to(std::uint32_t uid, std::uint32_t gid);
  Result<> take_back();
  // Of all that is in it.
  Result<> empty();

  enum class Sync { all, done };  // done: what is in it is on disk
  // Puts all of it on disk, then gives it its name, then puts that on disk.
  Result<> publish(Sync sync);

 private:
  Staging(os::Fd parent, std::string final_name);

  os::Fd parent_, root_;
  std::string final_name_, name_;
  bool published_ = false, given_ = false;
};

}  // namespace fleet::fetch
