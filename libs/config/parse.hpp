// fleet.toml as text -> Config with every default filled in, or everything that is wrong with it. Pure: no file, clock
// or environment is read here (config/load.hpp does that). The keys are declared in keys.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.hpp"
#include "core/result.hpp"

namespace fleet::config {

constexpr std::size_t kMaxText = 256u << 10;  // bytes of a file

// What some defaults depend on. XDG_* and HOME as in the environment, empty where unset.
struct Environment {
  std::uint32_t uid = 0;  // 0: the system's folders are the defaults, else the user's own
  std::string home, xdg_state_home, xdg_runtime_dir;
  std::uint32_t cores = 1;
  std::string directory;  // absolute; relative paths in the file are resolved against it
  // The whole contents of a file that the configuration names, or why not: more than `limit` bytes, say.
  std::function<Result<std::string>(const std::string& path, std::size_t limit)> read_file;
  std::function<bool(const std::string& name)> has_user, has_group;  // unset: nobody knows, all are taken
};

struct Diagnostic {
  std::size_t line = 0, column = 0;  // from 1; 0: of the file as a whole
  std::string text;
};

// Everything found, in the order of the file; never empty.
struct Problems {
  std::string file;
  std::vector<Diagnostic> list;

  // `fleet.toml:12:9: app "shop": health.interval: "5 parsecs" is not a duration`, one for each.
  std::vector<std::string> lines() const;
  // The lines as one error of kind usage, separated by newlines.
  Error error() const;
};

// `file` is only how messages name the text.
std::expected<Config, Problems> parse(std::string_view text, const std::string& file, const Environment&);

// A build's fleet-app.toml: a stranger's text, of which nothing is believed but these few keys. `file` as above. Besides, it is
// an error if it is larger than kMaxAppFile.
constexpr std::size_t kMaxAppFile = 64u << 10;  // bytes
std::expected<BuildConfig, Problems> parse_app_file(std::string_view text, const std::string& file, Listens listen);

}  // namespace fleet::config
