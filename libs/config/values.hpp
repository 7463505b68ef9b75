// The kinds of value that keys take. Each knows its name and range for the reference, how to read a value or complain
// about it, and how to write one as the file would.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/context.hpp"
#include "config/document.hpp"
#include "core/config.hpp"
#include "core/names.hpp"

namespace fleet::config {

struct Boolean {
  using T = bool;
  std::string type() const { return "boolean"; }
  std::string range() const { return ""; }
  std::string show(T value) const { return value ? "true" : "false"; }
  bool read(const Node&, T&, const Context&) const;
};

struct Integer {
  using T = std::uint32_t;
  T min, max;
  std::string type() const { return "integer"; }
  std::string range() const { return std::to_string(min) + " to " + std::to_string(max); }
  std::string show(T value) const { return std::to_string(value); }
  bool read(const Node&, T&, const Context&) const;
};

// Of a core, in thousandths: 2, 0.5.
struct Cores {
  using T = std::uint32_t;
  std::string type() const { return "number"; }
  std::string range() const { return "0.01 to 1024"; }
  std::string show(T value) const { return value == 0 ? "unlimited" : std::to_string(value / 1000.0); }
  bool read(const Node&, T&, const Context&) const;
};

std::string show_duration(milliseconds);  // in the largest unit that divides it: "90s", "5m"

// "250ms", "1s", "5m", "1h": a whole number and one unit.
struct Duration {
  using T = milliseconds;
  T min, max;
  std::string type() const { return "duration"; }
  std::string range() const { return show_duration(min) + " to " + show_duration(max); }
  std::string show(T value) const { return '"' + show_duration(value) + '"'; }
  bool read(const Node&, T&, const Context&) const;
};

std::string show_size(std::uint64_t bytes);  // in the largest unit that divides it: "10MiB"

// "64KiB", "10MiB", "1GiB": a whole number and one unit; K, M and G are the same. 0 stands for no limit, where there is none by default.
struct Size {
  using T = std::uint64_t;
  std::string type() const { return "size"; }
  std::string range() const { return "such as \"512KiB\", \"10MiB\", \"1GiB\""; }
  std::string show(T value) const;
  bool read(const Node&, T&, const Context&) const;
};

// A string that `accept` takes, perhaps in a normal form of its own. It returns what is wrong, or nothing.
struct Text {
  using T = std::string;
  using Accept = std::string (*)(T&, const Environment&);
  std::string name, words;  // of the type, of the range
  Accept accept;
  std::string type() const { return name; }
  std::string range() const { return words; }
  std::string show(const T& value) const { return value.empty() ? "none" : '"' + value + '"'; }
  bool read(const Node&, T&, const Context&) const;
};

extern const Text kFile;     // made absolute
extern const Text kUrlPath;  // of an app's routes: normalised, no slash at the end
extern const Text kHealthPath;
extern const Text kHost;    // lower case
extern const Text kHostPattern;  // that, or "*." and that
extern const Text kSignal;  // as "SIGTERM"
extern const Text kArgument;
extern const Text kUser, kGroup;  // of this machine
extern const Text kAppName;
extern const Text kHashBy;  // "header:NAME" in lower case, "cookie:NAME", "address"
extern const Text kCidr;  // in normal form: "10.0.0.0/8"

struct Listen {
  using T = Endpoint;
  std::string type() const { return "address"; }
  std::string range() const { return "IP address:port, IPv6 in brackets; port 1 to 65535"; }
  std::string show(const T& value) const { return '"' + to_string(value) + '"'; }
  bool read(const Node&, T&, const Context&) const;
};

template <class V>
struct Maybe {
  using T = std::optional<typename V::T>;
  V value;
  std::string type() const { return value.type(); }
  std::string range() const { return value.range(); }
  std::string show(const T& shown) const { return shown ? value.show(*shown) : "none"; }
  bool read(const Node& node, T& out, const Context& context) const { return value.read(node, out.emplace(), context); }
};

template <NamedEnum E>
struct OneOf {
  using T = E;
  std::string type() const { return "string"; }
  std::string range() const {
    std::string names;
    for (std::size_t i = 0; i < enum_count<E>(); ++i) {
      names += (i == 0 ? "" : ", ") + show(static_cast<E>(i));
    }
    return names;
  }
  std::string show(T value) const { return '"' + std::string(name(value)) + '"'; }
  bool read(const Node& node, T& out, const Context& context) const {
    const auto* text = std::get_if<std::string>(&node.value);
    const auto known = text == nullptr ? std::nullopt : from_name<E>(*text);
    if (known) out = *known;
    if (!known) context.problem(node.at, (text ? quote(*text) : type_of(node)) + " is not one of " + range());
    return known.has_value();
  }
};

// The number of elements of a list, complained about when it is not right.
const Array* read_list(const Node&, std::size_t min, std::size_t max, const Context&);

template <class V>
struct ListOf {
  using T = std::vector<typename V::T>;
  V element;
  std::size_t min = 0, max = 1000;
  std::string type() const { return "list of " + element.type() + (element.type().ends_with('s') ? "es" : "s"); }
  std::string range() const { return element.range(); }
  std::string show(const T& values) const {
    std::string shown;
    for (const auto& value : values) shown += (shown.empty() ? "[" : ", ") + element.show(value);
    return values.empty() ? "none" : shown + "]";
  }
  bool read(const Node& node, T& out, const Context& context) const {
    const auto* list = read_list(node, min, max, context);
    if (list == nullptr) return false;
    out.clear();
    bool good = true;
    for (const auto& item : *list) good = element.read(item, out.emplace_back(), context) && good;
    return good;
  }
};

struct Variables {
  using T = std::map<std::string, std::string>;
  std::string type() const { return "table of strings"; }
  std::string range() const { return "names [A-Za-z_][A-Za-z0-9_]*"; }
  std::string show(const T&) const { return "none"; }
  bool read(const Node&, T&, const Context&) const;
};

// Where the values of variables are to be read.
struct Secrets {
  using T = std::map<std::string, std::string>;
  std::string type() const { return "table of paths"; }
  std::string range() const { return "names as in env; a file, or \"credential:NAME\""; }
  std::string show(const T&) const { return "none"; }
  bool read(const Node&, T&, const Context&) const;
};
// Paths of URLs and the folders of a release where their files are.
struct AssetFolders {
  using T = std::map<std::string, std::string>;
  static constexpr std::size_t kMost = 16;
  std::string type() const { return "table of paths"; }
  std::string range() const {
    return "at most 16; paths of URLs that begin and end with /, folders within the release";
  }
  std::string show(const T&) const { return "none"; }
  bool read(const Node&, T&, const Context&) const;
};

// Of "credential:NAME"; none: it is no such thing.
std::optional<std::string_view> credential_name(std::string_view source);

bool is_variable_name(std::string_view);  // [A-Za-z_][A-Za-z0-9_]*
bool is_own_variable(std::string_view);   // set by fleet itself

struct PortRange {
  std::uint16_t first, last;
};
struct Ports {
  using T = PortRange;
  std::string type() const { return "string"; }
  std::string range() const { return "\"FIRST-LAST\", 1024 to 65535"; }
  std::string show(T value) const { return '"' + std::to_string(value.first) + '-' + std::to_string(value.last) + '"'; }
  bool read(const Node&, T&, const Context&) const;
};

bool is_app_name(std::string_view);  // [a-z0-9][a-z0-9-]{0,62}

}  // namespace fleet::config
