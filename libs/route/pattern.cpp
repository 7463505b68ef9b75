#include "route/pattern.hpp"

#include <re2/re2.h>

namespace fleet::route {
namespace {

constexpr std::size_t kMaxPattern = 1000;
constexpr std::int64_t kMaxMemory = 1 << 20;  // a third for the program, the rest for its states

}  // namespace

Pattern::Pattern(std::unique_ptr<re2::RE2> compiled)
    : compiled_(std::move(compiled)), groups_(compiled_->NumberOfCapturingGroups()) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::compile(const std::string& text) {
  const auto wrong = [](std::string why) { return fail(ErrorKind::usage, std::move(why)); };
  if (text.empty()) return wrong("the pattern is empty");
  if (text.size() > kMaxPattern) return wrong("the pattern is longer than " + std::to_string(kMaxPattern) + " bytes");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // paths are bytes
  options.set_dot_nl(true);                                 // else %0A would slip past ".*"
  options.set_max_mem(kMaxMemory);
  auto compiled = std::make_unique<re2::RE2>(text, options);
  if (!compiled->ok()) return wrong("not a pattern (RE2): " + compiled->error());
  if (compiled->NumberOfCapturingGroups() >= static_cast<int>(kGroups)) {
    return wrong("more than 9 groups (those that need no number are written (?:...))");
  }
  return Pattern(std::move(compiled));
}

bool Pattern::matches(std::string_view path, Groups& groups) const {
  std::array<re2::StringPiece, kGroups> found;
  const re2::StringPiece text(path.data(), path.size());
  if (!compiled_->Match(text, 0, path.size(), re2::RE2::UNANCHORED, found.data(), groups_ + 1)) return false;
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = {found[i].data(), found[i].size()};
  return true;
}

}  // namespace fleet::route
