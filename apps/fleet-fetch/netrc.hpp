// Who we are to which host, as netrc(5) writes it. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleet::fetch {

struct Login {
  std::string user, password;
};

// The first `machine` of this name (case does not matter), or a `default` before it. Macros and accounts are passed over.
std::optional<Login> login_for(std::string_view netrc, std::string_view host);

}  // namespace fleet::fetch
