// What the facts mean: each thing that was looked at, how it is, and how to mend it. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/fields.hpp"
#include "core/names.hpp"
#include "doctor/facts.hpp"
#include "story.hpp"

namespace fleet::ctl::doctor {

enum class Level : std::uint8_t { ok, warning, error };
FLEET_NAMES(Level, "ok", "warning", "error")

struct Finding {
  Level level = Level::ok;
  std::string check;       // "disk"
  std::string what, mend;  // one line each; mend is empty where all is well
  FLEET_FIELDS(Finding, level, check, what, mend)
};

std::vector<Finding> judge(const Facts& facts);

Level worst(const std::vector<Finding>& findings);

// One line each, a second one below on how to mend it, and a sum.
std::string findings_text(const std::vector<Finding>& findings, const Style& style);

}  // namespace fleet::ctl::doctor
