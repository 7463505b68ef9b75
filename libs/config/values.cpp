#include "config/values.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <utility>

#include "core/cidr.hpp"
#include "core/signal_names.hpp"

namespace fleet::config {
namespace {

using std::string_view;

constexpr string_view kDigits = "0123456789", kLower = "abcdefghijklmnopqrstuvwxyz";

bool only(string_view text, auto... allowed) {
  return std::ranges::all_of(text,
                             [&](char c) { return (... || (string_view(allowed).find(c) != string_view::npos)); });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool has_control(string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The value as T, or null and a complaint.
template <class T>
const T* expect(const Node& node, string_view wanted, const Context& context) {
  const auto* value = std::get_if<T>(&node.value);
  if (value == nullptr) context.problem(node.at, "expected " + std::string(wanted) + ", not " + type_of(node));
  return value;
}

template <class N>
std::optional<N> whole_number(string_view text) {
  N value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

constexpr std::array<std::pair<string_view, std::int64_t>, 4> kUnits{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};

std::optional<milliseconds> parse_duration(string_view text) {
  const auto digits = std::min(text.find_first_not_of(kDigits), text.size());
  const auto number = whole_number<std::uint32_t>(text.substr(0, digits));
  const auto unit = std::ranges::find(kUnits, text.substr(digits), &std::pair<string_view, std::int64_t>::first);
  if (!number || unit == kUnits.end()) return std::nullopt;
  return milliseconds(std::int64_t{*number} * unit->second);
}

std::string accept_file(std::string& text, const Environment& environment) {
  if (text.empty()) return "must not be empty";
  if (has_control(text)) return quote(text) + " is not a file name";
  const auto path = (std::filesystem::path(environment.directory) / text).lexically_normal();
  text = path.has_filename() ? path.string() : path.parent_path().string();
  return {};
}

bool is_label(string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         only(label, kLower, kDigits, "-_");
}

std::string accept_host(std::string& text, const Environment&) {
  std::ranges::transform(text, text.begin(), lower);
  string_view rest = text;
  bool good = text.size() <= 253;
  for (bool more = true; more && good;) {
    const auto dot = rest.find('.');
    good = is_label(rest.substr(0, dot));
    more = dot != string_view::npos;
    if (more) rest.remove_prefix(dot + 1);
  }
  if (good) return {};
  return quote(text) + " is not a host name (no scheme, port or path; a wildcard is a whole label in front)";
}

std::string accept_host_pattern(std::string& text, const Environment& environment) {
  const bool wild = text.starts_with("*.");
  auto name = wild ? text.substr(2) : text;
  auto complaint = accept_host(name, environment);
  if (complaint.empty()) text = (wild ? "*." : "") + name;
  return complaint;
}

std::string accept_url_path(std::string& text, const Environment&) {
  if (!text.starts_with('/')) return quote(text) + " does not begin with /";
  if (!only(text, kLower, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", kDigits, "/-._~!$&'()*+,;=:@")) {
    return quote(text) + " is not a plain path (no escapes, query or fragment)";
  }
  const auto bounded = text.ends_with('/') ? text : text + "/";
  for (const string_view bad : {"//", "/./", "/../"}) {
    if (bounded.find(bad) != std::string::npos) return quote(text) + " is not normal (no empty, . or .. segments)";
  }
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return {};
}

std::string accept_health_path(std::string& text, const Environment&) {
  if (!text.starts_with('/')) return quote(text) + " does not begin with /";
  const auto visible = [](char c) { return c > ' ' && c < 0x7f && c != '#'; };
  if (!std::ranges::all_of(text, visible)) return quote(text) + " is not a request target";
  return {};
}

std::string accept_signal(std::string& text, const Environment&) {
  const auto number = parse_signal(text);
  if (!number) return quote(text) + " is not a signal (such as \"SIGTERM\")";
  if (*number == SIGKILL || *number == SIGSTOP)
    return quote(text) + " cannot ask (it is not the application's to handle)";
  text = signal_name(*number);
  return {};
}

std::string accept_user(std::string& name, const Environment& environment) {
  const bool known = !environment.has_user || (!name.empty() && environment.has_user(name));
  return known ? "" : quote(name) + " is no user of this machine";
}

std::string accept_group(std::string& name, const Environment& environment) {
  const bool known = !environment.has_group || (!name.empty() && environment.has_group(name));
  return known ? "" : quote(name) + " is no group of this machine";
}

std::string accept_app_name(std::string& name, const Environment&) {
  return is_app_name(name) ? "" : quote(name) + " is not a name of an app";
}

std::string accept_argument(std::string& text, const Environment&) {
  return text.find('\0') == std::string::npos ? "" : quote(text) + " has a zero byte";
}

std::string accept_cidr(std::string& text, const Environment&) {
  const auto cidr = parse_cidr(text);
  if (!cidr) return cidr.error().text;
  text = to_string(*cidr);
  return {};
}

std::string accept_hash_by(std::string& text, const Environment&) {
  if (text == "address") return {};
  const auto colon = text.find(':');
  const auto kind = string_view(text).substr(0, colon);
  const auto name = colon == std::string::npos ? string_view() : string_view(text).substr(colon + 1);
  const bool token = !name.empty() && only(name, kLower, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", kDigits, "!#$%&'*+-.^_`|~");
  if (!token || (kind != "header" && kind != "cookie")) {
    return quote(text) + " is not \"header:NAME\", \"cookie:NAME\" or \"address\"";
  }
  if (kind == "header") std::ranges::transform(text, text.begin(), lower);
  return {};
}

constexpr std::array<string_view, 9> kOwnVariables{"PORT",         "FLEET_SOCKET_PATH", "FLEET_APP",
                                                   "FLEET_RELEASE", "FLEET_SHA256",     "FLEET_INSTANCE",
                                                   "NOTIFY_SOCKET", "FLEET_HOOK",       "FLEET_DEPLOYMENT"};

constexpr string_view kCredential = "credential:";

std::string accept_secret_source(std::string& text, const Environment& environment) {
  if (!text.starts_with(kCredential)) return kFile.accept(text, environment);
  const auto name = credential_name(text);
  return name ? "" : quote(text) + " names no credential (letters, digits, . _ and -, not with a dot in front)";
}

const Text kSecretSource{"path", "", accept_secret_source};

// Not the whole site: that would be every file of the release, and its secrets.
std::string accept_asset_prefix(std::string& text, const Environment& environment) {
  if (text.size() < 3 || text.back() != '/') return quote(text) + " does not begin and end with / (such as \"/assets/\")";
  auto path = text;
  if (auto complaint = kUrlPath.accept(path, environment); !complaint.empty()) return complaint;
  if (path.find("/.") != std::string::npos) return quote(text) + " has a hidden segment, of which no files are given";
  return {};
}

std::string accept_asset_folder(std::string& text, const Environment&) {
  if (text.empty()) return "must not be empty";
  if (has_control(text) || text.size() > 1024) return quote(text) + " is not a folder's name";
  if (text.front() == '/') return quote(text) + " is not within the release (a path that begins with no /)";
  while (text.ends_with('/')) text.pop_back();
  const auto bounded = "/" + text + "/";
  for (const string_view bad : {"//", "/./", "/../"}) {
    if (bounded.find(bad) != std::string::npos) return quote(text) + " is not normal (no empty, . or .. segments)";
  }
  return {};
}

const Text kAssetFolder{"path", "", accept_asset_folder};

// Reads a table whose keys are names of variables.
bool read_variables(const Node& node, const Text& value, const char* expected, Variables::T& out, const Context& context) {
  const auto* table = expect<Table>(node, expected, context);
  if (table == nullptr) return false;
  bool good = true;
  for (const auto& [name, at, item] : *table) {
    const bool own = is_own_variable(name);
    const bool known_good = !own && is_variable_name(name);
    if (own) context.problem(at, name + " is set by fleet itself");
    if (!own && !known_good) context.problem(at, quote(name) + " is not a variable's name");
    good = (!known_good || value.read(item, out[name], context.in(name))) && known_good && good;
  }
  return good;
}

}  // namespace

bool is_variable_name(string_view text) {
  return !text.empty() && kDigits.find(text[0]) == string_view::npos &&
         only(text, kLower, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", kDigits, "_");
}

bool is_own_variable(string_view name) { return std::ranges::find(kOwnVariables, name) != kOwnVariables.end(); }

std::optional<string_view> credential_name(string_view source) {
  if (!source.starts_with(kCredential)) return std::nullopt;
  const auto name = source.substr(kCredential.size());
  const bool good = !name.empty() && name.size() <= 255 && name.front() != '.' &&
                    only(name, kLower, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", kDigits, "._-");
  return good ? std::optional(name) : std::nullopt;
}

const Text kFile{"path", "", accept_file};
const Text kUrlPath{"string", "begins with /; no escapes, query, empty or dot segments", accept_url_path};
const Text kHealthPath{"string", "begins with /; may have a query", accept_health_path};
const Text kHost{"string", "a host name, without port or wildcard", accept_host};
const Text kHostPattern{"string", "host names without port, \"*.\" may stand before them", accept_host_pattern};
const Text kSignal{"string", "a signal's name, SIGKILL and SIGSTOP excepted", accept_signal};
const Text kUser{"string", "a user of this machine", accept_user};
const Text kGroup{"string", "a group of this machine", accept_group};
const Text kAppName{"app", "names of other apps", accept_app_name};
const Text kArgument{"string", "", accept_argument};
const Text kHashBy{"string", "\"header:NAME\", \"cookie:NAME\", \"address\" (of the client)", accept_hash_by};
const Text kCidr{"address block", "IP addresses and CIDR blocks (\"10.0.0.0/8\", \"::1\")", accept_cidr};

bool is_app_name(string_view text) {
  return !text.empty() && text.size() <= 63 && text[0] != '-' && only(text, kLower, kDigits, "-");
}

bool Boolean::read(const Node& node, T& out, const Context& context) const {
  const auto* value = expect<bool>(node, "true or false", context);
  if (value != nullptr) out = *value;
  return value != nullptr;
}

bool Integer::read(const Node& node, T& out, const Context& context) const {
  const auto* value = expect<std::int64_t>(node, "an integer", context);
  if (value == nullptr) return false;
  if (*value < min || *value > max) {
    context.problem(node.at, std::to_string(*value) + " is out of range (" + range() + ")");
    return false;
  }
  out = static_cast<T>(*value);
  return true;
}

bool Cores::read(const Node& node, T& out, const Context& context) const {
  const auto* whole = std::get_if<std::int64_t>(&node.value);
  const auto* fraction = std::get_if<double>(&node.value);
  const double value = fraction ? *fraction : whole ? static_cast<double>(*whole) : 0;
  if (!whole && !fraction) {
    context.problem(node.at, "expected a number, not " + type_of(node));
  } else if (!(value >= 0.01 && value <= 1024)) {
    context.problem(node.at, "out of range (" + range() + ")");
  } else {
    out = static_cast<T>(std::lround(value * 1000));
    return true;
  }
  return false;
}

std::string show_duration(milliseconds value) {
  auto best = kUnits[0];
  if (value.count() == 0) best = kUnits[1];
  for (const auto& unit : kUnits) {
    if (value.count() >= unit.second && value.count() % unit.second == 0) best = unit;
  }
  return std::to_string(value.count() / best.second).append(best.first);
}

bool Duration::read(const Node& node, T& out, const Context& context) const {
  const auto* text = expect<std::string>(node, "a duration such as \"30s\"", context);
  if (text == nullptr) return false;
  const auto value = parse_duration(*text);
  if (!value) {
    context.problem(node.at, quote(*text) + " is not a duration (such as \"250ms\", \"30s\", \"5m\", \"1h\")");
  } else if (*value < min || *value > max) {
    context.problem(node.at, quote(*text) + " is out of range (" + range() + ")");
  } else {
    out = *value;
    return true;
  }
  return false;
}

namespace {
constexpr std::pair<std::string_view, unsigned> kSizeUnits[] = {{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}};
}

std::string show_size(std::uint64_t bytes) {
  const auto divides = [&](const auto& unit) { return bytes % (std::uint64_t{1} << unit.second) == 0; };
  const auto& [unit, shift] = *std::ranges::find_if(kSizeUnits, divides);
  return std::to_string(bytes >> shift).append(unit);
}

std::string Size::show(T value) const {
  return value == 0 ? "unlimited" : '"' + show_size(value) + '"';
}

bool Size::read(const Node& node, T& out, const Context& context) const {
  const auto* text = std::get_if<std::string>(&node.value);
  std::uint32_t number = 0;
  if (text != nullptr) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    for (const auto& [unit, shift] : kSizeUnits) {
      const std::string_view written(end, text->data() + text->size());
      const bool is_short = written.size() == 1 && unit.size() == 3 && written[0] == unit[0];
      if (error == std::errc() && number != 0 && (written == unit || is_short)) {
        out = T{number} << shift;
        return true;
      }
    }
  }
  context.problem(node.at, (text ? quote(*text) : type_of(node)) + " is not a size (" + range() + ")");
  return false;
}

bool Text::read(const Node& node, T& out, const Context& context) const {
  const auto* text = expect<std::string>(node, "a string", context);
  if (text == nullptr) return false;
  auto value = *text;
  const auto complaint = accept(value, context.environment());
  if (!complaint.empty()) context.problem(node.at, complaint);
  out = complaint.empty() ? std::move(value) : std::string();
  return complaint.empty();
}

bool Listen::read(const Node& node, T& out, const Context& context) const {
  const auto* text = expect<std::string>(node, "a string such as \"127.0.0.1:7070\"", context);
  if (text == nullptr) return false;
  auto endpoint = parse_endpoint(*text);
  std::array<unsigned char, 16> binary{};
  std::array<char, INET6_ADDRSTRLEN> normal{};
  const int family = text->starts_with('[') ? AF_INET6 : AF_INET;
  if (!endpoint || ::inet_pton(family, endpoint->address.c_str(), binary.data()) != 1) {
    context.problem(node.at, quote(*text) + " is not an address (such as \"127.0.0.1:80\" or \"[::1]:80\")");
    return false;
  }
  if (endpoint->port == 0) {
    context.problem(node.at, quote(*text) + " has no port (1 to 65535)");
    return false;
  }
  endpoint->address = ::inet_ntop(family, binary.data(), normal.data(), normal.size());
  out = std::move(*endpoint);
  return true;
}

const Array* read_list(const Node& node, std::size_t min, std::size_t max, const Context& context) {
  const auto* list = expect<Array>(node, "a list", context);
  if (list == nullptr || (list->size() >= min && list->size() <= max)) return list;
  context.problem(node.at, list->size() < min ? "must not be empty" : "more than " + std::to_string(max) + " elements");
  return nullptr;
}

bool Variables::read(const Node& node, T& out, const Context& context) const {
  return read_variables(node, kArgument, "a table of strings", out, context);
}

bool Secrets::read(const Node& node, T& out, const Context& context) const {
  return read_variables(node, kSecretSource, "a table of files and credentials", out, context);
}

bool AssetFolders::read(const Node& node, T& out, const Context& context) const {
  const auto* table = expect<Table>(node, "a table of paths", context);
  if (table == nullptr) return false;
  out.clear();
  bool good = true;
  for (const auto& [name, at, item] : *table) {
    auto prefix = name;
    if (auto complaint = accept_asset_prefix(prefix, context.environment()); !complaint.empty()) {
      context.problem(at, complaint);
      good = false;
    } else {
      good = kAssetFolder.read(item, out[prefix], context.in(quote(name))) && good;
    }
  }
  if (out.size() <= kMost) return good;
  context.problem(node.at, "more than " + std::to_string(kMost) + " paths");
  return false;
}

bool Ports::read(const Node& node, T& out, const Context& context) const {
  const auto* text = expect<std::string>(node, "a string such as \"20000-29999\"", context);
  if (text == nullptr) return false;
  const string_view all = *text;
  const auto dash = all.find('-');
  const auto first = whole_number<std::uint16_t>(all.substr(0, dash));
  const auto last = dash == string_view::npos ? std::nullopt : whole_number<std::uint16_t>(all.substr(dash + 1));
  if (!first || !last || *first < 1024 || *first > *last) {
    context.problem(node.at, quote(*text) + " is not a range of ports (\"FIRST-LAST\" within 1024 to 65535)");
    return false;
  }
  out = {*first, *last};
  return true;
}

}  // namespace fleet::config
