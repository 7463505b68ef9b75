// Users and groups of this machine, as getpwnam(3) and getgrouplist(3) know them.
#pragma once

#include <string>

#include "core/confinement.hpp"
#include "core/result.hpp"

namespace fleet::os {

// With all groups that the user is in. `group`: instead of the user's own; empty: that. Errors: not_found, "no user
// \"shop\" on this machine".
Result<Identity> identity_of(const std::string& user, const std::string& group);

}  // namespace fleet::os
