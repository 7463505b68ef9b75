#include "options.hpp"

#include <charconv>
#include <optional>
#include <string_view>

namespace fleet::shim {

const char* const kHelp =
    "usage: fleet-shim [--id ID] [--socket PATH] [--launch-within MS]\n"
    "\n"
    "The parent of one long-lived process: starts it when told over the unix socket that it inherits as\n"
    "descriptor 3, keeps its output and its exit status, stops it. fleetd starts it; there is nothing to run by hand.\n"
    "\n"
    "  --id ID             what this shim is for, until it is told (and for ps)\n"
    "  --socket PATH       where descriptor 3 is bound; removed at the end\n"
    "  --launch-within MS  leave when there is nothing to start for so long (default 10000)\n"
    "  --version, --help\n"
    "\n"
    "SIGTERM stops the program as fleetd would (signal, grace, then the whole tree is killed), then the shim leaves.\n";

Result<Options> parse_options(std::span<char* const> arguments) {
  Options options;
  while (!arguments.empty()) {
    const std::string_view argument = arguments[0];
    arguments = arguments.subspan(1);
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      continue;
    }
    if (argument == "--version") {
      options.version = true;
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string option(argument.substr(0, equals));
    if (option != "--id" && option != "--socket" && option != "--launch-within") {
      return fail(ErrorKind::usage, "unknown argument: " + std::string(argument));
    }
    std::string value;
    if (equals != argument.npos) {
      value = argument.substr(equals + 1);
    } else if (arguments.empty()) {
      return fail(ErrorKind::usage, option + ": a value is missing");
    } else {
      value = arguments[0];
      arguments = arguments.subspan(1);
    }
    if (option == "--id") options.id = value;
    if (option == "--socket") options.socket = value;
    if (option != "--launch-within") continue;
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      return fail(ErrorKind::usage, option + ": not a number of milliseconds: " + value);
    }
    options.launch_within = std::chrono::milliseconds(number);
  }
  return options;
}

}  // namespace fleet::shim
