#pragma once

namespace fleet::os {

// Built with a sanitizer, whose runtime makes calls and takes memory that we otherwise do without, and tells of crashes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace fleet::os
