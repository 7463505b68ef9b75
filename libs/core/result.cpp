#include "core/result.hpp"

#include <cctype>
#include <cstring>

namespace fleet {

std::unexpected<Error> fail_errno(std::string_view what, int error_number) {
  char buffer[128];
  std::string why = ::strerror_r(error_number, buffer, sizeof buffer);
  if (!why.empty()) why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  return fail(std::string(what) + ": " + why);
}

}  // namespace fleet
