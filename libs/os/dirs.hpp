// Folders: private ones made, whole trees removed, the state directory locked.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::os {

// Makes the folder with this mode (and missing parents with 0755). One that is there must be a real folder, owned by
// us; its permissions become `mode`.
Result<> make_dir(const std::string& path, mode_t mode);
// Likewise, but it is given to these. To root it does not matter whose it was: the folder that it is in must be root's.
// Errors: denied, unless we are root or they are us.
Result<> make_dir_for(const std::string& path, mode_t mode, uid_t owner, gid_t group);

// Removes a file, symlink or folder with all below it. Follows no symlink and enters no other mount (then it fails,
// having removed what it could). Not being there is success.
Result<> remove_tree(const std::string& path);

// Holds `dir`/lock until the Fd is closed or the process ends. Errors: busy, naming the holder's pid.
Result<Fd> lock_dir(const std::string& dir);

}  // namespace fleet::os
