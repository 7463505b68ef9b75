// ARCHITECTURE.md draws the tables that the program runs by. FLEET_UPDATE_GOLDEN=1 draws them anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "plan/instance.hpp"
#include "plan/rollout.hpp"

namespace fleet::plan {
namespace {

const std::string kPath = std::string(FLEET_SOURCE_DIR) + "/ARCHITECTURE.md";
const std::string kEnd = "<!-- end generated -->";

struct Arrow {
  std::string from, to, events;
};

class Diagram {
 public:
  // Events that lead the same way share an arrow.
  void add(std::string_view from, std::string_view to, std::string_view event) {
    for (auto& arrow : arrows_) {
      if (arrow.from != from || arrow.to != to) continue;
      arrow.events += ", " + std::string(event);
      return;
    }
    arrows_.push_back({std::string(from), std::string(to), std::string(event)});
  }
  std::string text(std::string_view first, std::string_view last) const {
    std::string out = "```mermaid\nstateDiagram-v2\n    [*] --> " + std::string(first) + "\n";
    for (const auto& arrow : arrows_) out += "    " + arrow.from + " --> " + arrow.to + ": " + arrow.events + "\n";
    return out + "    " + std::string(last) + " --> [*]\n```\n";
  }

 private:
  std::vector<Arrow> arrows_;
};

std::string draw_instance() {
  Diagram diagram;
  for (std::size_t p = 0; p < enum_count<InstancePhase>(); ++p) {
    for (std::size_t e = 0; e < enum_count<InstanceEvent>(); ++e) {
      const auto from = name(static_cast<InstancePhase>(p));
      const auto event = std::string(name(static_cast<InstanceEvent>(e)));
      const auto step = kInstanceTable[p][e];
      if (step == InstanceStep::ignore) continue;
      if (step == InstanceStep::end) {
        diagram.add(from, name(InstancePhase::backoff), event + " (wanted)");
        diagram.add(from, name(InstancePhase::gone), event + " (not wanted)");
      } else {
        diagram.add(from, name(step), event);
      }
    }
  }
  return diagram.text(name(InstancePhase::starting), name(InstancePhase::gone));
}

std::string draw_rollout() {
  Diagram diagram;
  for (std::size_t p = 0; p < enum_count<RolloutPhase>(); ++p) {
    for (std::size_t e = 0; e < enum_count<RolloutEvent>(); ++e) {
      const auto step = kRolloutTable[p][e];
      if (step == RolloutStep::ignore) continue;
      diagram.add(name(static_cast<RolloutPhase>(p)), name(step), name(static_cast<RolloutEvent>(e)));
    }
  }
  return diagram.text(name(RolloutPhase::prepare), name(RolloutPhase::done));
}

std::string draw_hook() {
  Diagram diagram;
  for (std::size_t p = 0; p < enum_count<HookPhase>(); ++p) {
    for (std::size_t e = 0; e < enum_count<HookEvent>(); ++e) {
      const auto step = kHookTable[p][e];
      if (step == HookStep::ignore) continue;
      diagram.add(name(static_cast<HookPhase>(p)), name(step), name(static_cast<HookEvent>(e)));
    }
  }
  auto text = diagram.text(name(HookPhase::starting), name(HookPhase::passed));
  return text.insert(text.rfind("```"), "    failed --> [*]\n");
}

struct Section {
  std::size_t begin = std::string::npos, size = 0;  // between the markers
};

Section find_section(const std::string& document, const std::string& which) {
  const auto marker = "<!-- generated: " + which + " -->\n";
  const auto at = document.find(marker);
  if (at == std::string::npos) return {};
  const auto begin = at + marker.size();
  const auto end = document.find(kEnd, begin);
  return end == std::string::npos ? Section{} : Section{begin, end - begin};
}

void expect_drawn(const std::string& which, const std::string& drawing) {
  std::ostringstream read;
  read << std::ifstream(kPath).rdbuf();
  auto document = read.str();
  const auto section = find_section(document, which);
  ASSERT_NE(section.begin, std::string::npos) << kPath << " has no markers for " << which;
  if (std::getenv("FLEET_UPDATE_GOLDEN") && document.substr(section.begin, section.size) != drawing) {
    document.replace(section.begin, section.size, drawing);
    std::ofstream(kPath) << document;
    return;
  }
  EXPECT_EQ(document.substr(section.begin, section.size), drawing)
      << kPath << " differs from the table (FLEET_UPDATE_GOLDEN=1 unit-plan draws it anew)";
}

TEST(Architecture, DrawsTheInstanceTableAsItIs) { expect_drawn("instance", draw_instance()); }
TEST(Architecture, DrawsTheRolloutTableAsItIs) { expect_drawn("rollout", draw_rollout()); }
TEST(Architecture, DrawsTheHookTableAsItIs) { expect_drawn("hook", draw_hook()); }

}  // namespace
}  // namespace fleet::plan
