// Regular expressions for paths: RE2, because its time is linear in the text whatever the text and the pattern are.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace re2 {
class RE2;
}

namespace fleet::route {

class Pattern {
 public:
  static constexpr std::size_t kGroups = 10;  // the whole match, then $1 to $9
  using Groups = std::array<std::string_view, kGroups>;

  // Errors (usage): what RE2 says about it; longer than 1,000 bytes, more than 9 groups, a program over 256 KiB.
  static Result<Pattern> compile(const std::string& text);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // Searches: an unanchored pattern matches anywhere. `.` is any byte, a line feed too.
  bool matches(std::string_view path, Groups& groups) const;
  int groups() const { return groups_; }

 private:
  explicit Pattern(std::unique_ptr<re2::RE2> compiled);
  std::unique_ptr<re2::RE2> compiled_;
  int groups_ = 0;
};

}  // namespace fleet::route
