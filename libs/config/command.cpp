#include "config/command.hpp"

#include <array>

namespace fleet::config {
namespace {

constexpr std::array<std::string_view, 6> kPlaceholders{"port",     "socket",   "release", "release_dir",
                                                        "instance", "data_dir"};

std::string known_names(const std::map<std::string, std::string>& values) {
  std::string names;
  for (const auto& [name, value] : values) names += (names.empty() ? "{" : " {") + name + "}";
  return names;
}

}  // namespace

std::span<const std::string_view> placeholders() { return kPlaceholders; }

Result<std::string> expand(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (true) {
    const auto brace = text.find('{');
    out += text.substr(0, brace);
    if (brace == std::string_view::npos) return out;
    text.remove_prefix(brace + 1);
    if (text.starts_with('{')) {
      out += '{';
      text.remove_prefix(1);
      continue;
    }
    const auto end = text.find('}');
    if (end == std::string_view::npos) return fail(ErrorKind::usage, "\"{\" is not closed (write {{ for a brace)");
    const std::string name(text.substr(0, end));
    const auto found = values.find(name);
    if (found == values.end()) {
      return fail(ErrorKind::usage,
                  "unknown placeholder {" + name + "} (known: " + known_names(values) + "; write {{ for a brace)");
    }
    out += found->second;
    text.remove_prefix(end + 1);
  }
}

Result<std::vector<std::string>> expand_command(const std::vector<std::string>& command,
                                                const std::map<std::string, std::string>& values) {
  std::vector<std::string> expanded;
  for (const auto& argument : command) {
    TRY(expanded.emplace_back(), expand(argument, values));
  }
  return expanded;
}

}  // namespace fleet::config
