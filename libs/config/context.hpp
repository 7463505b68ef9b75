// Where in the configuration a reader is, in words, and where its complaints go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/parse.hpp"

namespace fleet::config {

class Context {
 public:
  Context(const Environment& environment, std::vector<Diagnostic>& problems)
      : environment_(&environment), problems_(&problems) {}

  // Of a key within this table: "health" -> "health.interval".
  Context in(std::string_view key) const;
  // Of a table that has a name of its own: `app "shop"`; keys within it follow after a colon.
  Context named(std::string name) const;

  void problem(Position at, std::string_view text) const;
  const Environment& environment() const { return *environment_; }

 private:
  const Environment* environment_;
  std::vector<Diagnostic>* problems_;
  std::string where_, joint_;
};

// In double quotes, control characters escaped, cut after 80 bytes.
std::string quote(std::string_view text);

}  // namespace fleet::config
