// What of a URL may be shown.
#pragma once

#include <string>

namespace fleet::api {

// Without user information, query and fragment, which may carry secrets. A path is left as it is.
std::string public_url(std::string url);

}  // namespace fleet::api
