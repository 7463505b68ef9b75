// A deployment told to a person: its events as lines, its end as a receipt and one last line. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"
#include "text.hpp"

namespace fleet::ctl {

struct Style {
  bool colour = false, utf8 = false;
};

class Story {
 public:
  // `tells_progress`: by a line now and then, where there is no line for the moment.
  explicit Story(Style style, bool tells_progress = false) : style_(style), tells_progress_(tells_progress) {}

  // The lines that this event adds. Each phase is told once it is over, with its time.
  std::vector<std::string> tell(const api::EventView& event);

  // The line for the moment, on a terminal; empty: nothing is under way. `now`: since the epoch.
  std::string moment(milliseconds now) const;

 private:
  std::optional<std::string> end_phase(const std::string& time);
  std::vector<std::string> tell_progress(const std::string& time);
  std::string progress_text() const;
  Style style_;
  bool tells_progress_;
  std::optional<milliseconds> progress_told_;
  std::optional<api::Phase> phase_;
  std::string phase_began_;
  std::optional<api::Progress> progress_;
};

// "12 MB of 100 MB, 5.2 MB/s, 17 s left", as far as it is known.
std::string how_far(const api::Progress& progress);

// Of a deployment that has ended.
std::vector<std::string> receipt(const api::DeploymentView& ended, const Style& style);
std::vector<std::string> failure(const api::DeploymentView& ended, const Style& style);  // why, and its last log lines
std::string last_line(const api::DeploymentView& ended);  // what changed and how to undo it

// Of one that goes on without us.
std::string how_to_follow(const std::string& why, const std::string& app, api::DeploymentId id);

std::string event_line(const api::EventView& event, const Style& style);  // of `fleetctl events`
std::string log_line(const api::LogLine& line, const Style& style);

}  // namespace fleet::ctl
