#include "config/parse.hpp"

#include <algorithm>
#include <tuple>

#include "config/checks.hpp"
#include "config/context.hpp"
#include "config/document.hpp"
#include "config/keys.hpp"
#include "config/rule_keys.hpp"

namespace fleet::config {
namespace {

// The XDG specification has relative paths ignored.
std::string folder(const std::string& base, std::string_view below) {
  return base.starts_with('/') ? base + std::string(below) : std::string();
}

void fill_defaults(Config& config, const Environment& environment, const Context& context) {
  const auto choose = [](std::string& directory, std::initializer_list<std::string> candidates) {
    for (const auto& candidate : candidates) {
      if (directory.empty()) directory = candidate;
    }
  };
  if (environment.uid == 0) {
    choose(config.state_dir, {"/var/lib/fleet"});
    choose(config.run_dir, {"/run/fleet"});
  } else {
    choose(config.state_dir,
           {folder(environment.xdg_state_home, "/fleet"), folder(environment.home, "/.local/state/fleet")});
    choose(config.run_dir, {folder(environment.xdg_runtime_dir, "/fleet"), folder(config.state_dir, "/run")});
  }
  if (config.state_dir.empty()) {
    context.problem({}, "fleet.state_dir: missing (there is no XDG_STATE_HOME and no HOME to put it in)");
  }
  if (config.proxy.workers == 0) config.proxy.workers = std::clamp(environment.cores, 1u, 256u);
}

// A complaint may quote the file, which may hold anything.
std::string on_one_line(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      out += c;
    else
      out.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  }
  return out;
}

std::unexpected<Problems> in_order(const std::string& file, std::vector<Diagnostic> problems) {
  std::ranges::stable_sort(problems, {}, [](const Diagnostic& d) { return std::pair(d.line, d.column); });
  return std::unexpected(Problems{file, std::move(problems)});
}

}  // namespace

std::vector<std::string> Problems::lines() const {
  std::vector<std::string> lines;
  for (const auto& [line, column, text] : list) {
    const auto place = line == 0 ? "" : ":" + std::to_string(line) + ":" + std::to_string(column);
    lines.push_back(file + place + ": " + on_one_line(text));
  }
  return lines;
}

Error Problems::error() const {
  std::string text;
  for (const auto& line : lines()) text.append(text.empty() ? "" : "\n").append(line);
  return Error{ErrorKind::usage, std::move(text)};
}

std::expected<Config, Problems> parse(std::string_view text, const std::string& file, const Environment& environment) {
  const auto document = parse_document(text);
  if (!document) return std::unexpected(Problems{file, {document.error()}});

  Config config;
  std::vector<Diagnostic> problems;
  const Context context(environment, problems);
  read_config(*document, config, context);
  fill_defaults(config, environment, context);
  check_config(config, *document, context);
  take_files(config, context);
  if (problems.empty()) return config;
  return in_order(file, std::move(problems));
}

std::expected<BuildConfig, Problems> parse_app_file(std::string_view text, const std::string& file, Listens listen) {
  if (text.size() > kMaxAppFile) {
    return std::unexpected(Problems{file, {{0, 0, "larger than " + std::to_string(kMaxAppFile >> 10) + " KiB"}}});
  }
  const auto document = parse_document(text);
  if (!document) return std::unexpected(Problems{file, {document.error()}});
  BuildConfig build;
  std::vector<Diagnostic> problems;
  const Environment nothing;
  const Context context(nothing, problems);
  read_app_file(*document, build, context);
  check_app_file(build, listen, *document, context);
  if (problems.empty()) return build;
  return in_order(file, std::move(problems));
}

}  // namespace fleet::config
