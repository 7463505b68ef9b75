#include "story.hpp"

namespace fleet::ctl {

using api::DeploymentKind;
using api::DeploymentView;
using api::EventType;
using api::EventView;
using api::Outcome;
using api::Phase;

namespace {

std::string version(const std::optional<std::uint64_t>& release) {
  return release ? "v" + std::to_string(*release) : "nothing";
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string out(text);
  out.resize(std::max(columns, out.size()), ' ');
  return out;
}

std::string column_of(Phase phase) { return padded(name(phase), std::max<std::size_t>(9, name(phase).size() + 1)); }

std::string phase_line(Phase phase, milliseconds time, const Style& style) {
  const bool failed = phase == Phase::abort;
  const std::string mark = style.utf8 ? (failed ? "✗ " : "✓ ") : "";
  return "  " + coloured(mark, failed ? Colour::red : Colour::green, style.colour) + column_of(phase) +
         duration(time);
}

std::string with_exit(const api::EventData& data) {
  if (data.signal && *data.signal != 0) return " (signal " + std::to_string(*data.signal) + ")";
  if (data.exit_code) return " (exit code " + std::to_string(*data.exit_code) + ")";
  return "";
}

// A message that names no instance or exit code gets them from the facts.
std::string message_of(const EventView& event) {
  std::string message = event.message.empty() ? std::string(name(event.type)) : printable(event.message);
  const auto& instance = event.data.instance;
  if (instance && message.find(*instance) == std::string::npos) message = printable(*instance) + ": " + message;
  if (event.type == EventType::instance_exited && message.find("exit") == std::string::npos) {
    message += with_exit(event.data);
  }
  return message;
}

Colour colour_of(const EventView& event) {
  switch (event.type) {
    case EventType::instance_ready:
    case EventType::deployment_finished: return Colour::green;
    case EventType::hook_finished:
    case EventType::instance_exited: return event.data.exit_code == 0 ? Colour::none : Colour::red;
    case EventType::instance_unhealthy:
    case EventType::certificate_refused:
    case EventType::app_crash_loop:
    case EventType::deployment_unstable:
    case EventType::worker_fell_back:
    case EventType::state_rebuilt:
    case EventType::daemon_fell_back:
    case EventType::alarm_raised:
    case EventType::worker_exited: return Colour::red;
    case EventType::certificate_expires:
    case EventType::hold_started:
    case EventType::app_waits:
    case EventType::app_starts_anyway:
    case EventType::gap: return Colour::yellow;
    case EventType::certificate_renewed:
    case EventType::deployment_started:
    case EventType::deployment_phase:
    case EventType::deployment_progress:
    case EventType::instance_started:
    case EventType::instance_stopped:
    case EventType::hook_started:
    case EventType::hold_ended:
    case EventType::route_published:
    case EventType::worker_started:
    case EventType::app_state:
    case EventType::daemon_upgraded:
    case EventType::alarm_cleared:
    case EventType::config_reloaded: return Colour::none;
  }
  return Colour::none;
}

std::string requests_failed(const DeploymentView& ended) {
  if (!ended.receipt) return "";
  const auto total = ended.receipt->requests + ended.receipt->failed;
  if (total == 0) return ", no requests came meanwhile";
  return ", " + grouped(ended.receipt->failed) + " of " + count(total, "request") + " failed";
}

std::string changed_line(const DeploymentView& ended) {
  const std::string undo_of = " · undo: fleetctl rollback ";
  const std::string on_app = "--app " + ended.app;
  switch (ended.kind) {
    case DeploymentKind::restart:
      return ended.app + " runs on new instances of " + version(ended.release) + requests_failed(ended);
    case DeploymentKind::rollback:
      return ended.app + " is back on " + version(ended.release) + " (was " + version(ended.previous_release) + ")" +
             requests_failed(ended) +
             (ended.previous_release ? undo_of + std::to_string(*ended.previous_release) + " " + on_app : "");
    case DeploymentKind::deploy:
      if (!ended.previous_release) {
        return ended.app + " is on " + version(ended.release) + ", its first release" + requests_failed(ended);
      }
      return ended.app + " is on " + version(ended.release) + " (was " + version(ended.previous_release) + ")" +
             requests_failed(ended) + undo_of + on_app;
  }
  return "";
}

std::string kept_line(const DeploymentView& ended) {
  if (!ended.previous_release) return ended.app + " still runs nothing";
  return ended.app + " is still on " + version(ended.previous_release) + ", nothing changed";
}

}  // namespace

std::optional<std::string> Story::end_phase(const std::string& time) {
  if (!phase_ || *phase_ == Phase::done) return std::nullopt;
  const auto began = parse_time(phase_began_), ended = parse_time(time);
  const milliseconds took = began && ended ? *ended - *began : milliseconds(0);
  return phase_line(*phase_, took, style_);
}

std::vector<std::string> Story::tell(const EventView& event) {
  std::vector<std::string> lines;
  switch (event.type) {
    case EventType::deployment_progress:
      progress_ = api::Progress{event.data.step.value_or(api::Step::download), event.data.bytes.value_or(0),
                                event.data.total.value_or(0), event.data.rate.value_or(0), event.data.remaining_ms};
      return tell_progress(event.time);
    case EventType::deployment_phase:
      if (event.data.phase == phase_) return lines;  // told before a reconnect
      if (auto ended = end_phase(event.time)) lines.push_back(std::move(*ended));
      phase_ = event.data.phase;
      phase_began_ = event.time;
      progress_.reset();
      return lines;
    case EventType::deployment_finished:
      if (auto ended = end_phase(event.time)) lines.push_back(std::move(*ended));
      phase_.reset();
      return lines;
    case EventType::deployment_started:
      lines.push_back(message_of(event) + ", deployment " + std::to_string(event.deployment.value_or(0)));
      if (!phase_) phase_ = Phase::prepare, phase_began_ = event.time;
      return lines;
    case EventType::instance_ready:
    case EventType::instance_started:
    case EventType::instance_unhealthy:
    case EventType::instance_exited:
    case EventType::instance_stopped:
    case EventType::hold_started:
    case EventType::hold_ended:
    case EventType::app_crash_loop:
    case EventType::deployment_unstable:
    case EventType::hook_started:
    case EventType::hook_finished:
      lines.push_back("    " + coloured(message_of(event), colour_of(event), style_.colour));
      return lines;
    case EventType::gap:
    case EventType::route_published:
    case EventType::worker_started:
    case EventType::worker_exited:
    case EventType::app_state:
    case EventType::certificate_refused:
    case EventType::certificate_renewed:
    case EventType::certificate_expires:
    case EventType::state_rebuilt:
    case EventType::app_waits:
    case EventType::app_starts_anyway:
    case EventType::worker_fell_back:
    case EventType::daemon_upgraded:
    case EventType::daemon_fell_back:
    case EventType::alarm_raised:
    case EventType::alarm_cleared:
    case EventType::config_reloaded: return lines;
  }
  return lines;
}

std::string Story::moment(milliseconds now) const {
  if (!phase_) return "";
  const auto began = parse_time(phase_began_);
  std::string line = "  " + std::string(style_.utf8 ? "· " : "") + column_of(*phase_) +
                     duration(began ? now - *began : milliseconds(0));
  if (progress_ && *phase_ == Phase::prepare) line += "  " + progress_text();
  return line;
}

std::string Story::progress_text() const {
  const auto& now = *progress_;
  std::string text = std::string(name(now.step)) + " ";
  if (now.total != 0 && !tells_progress_) text += bar(now.bytes, now.total, 20, style_.utf8) + " ";
  text += how_far(now);
  return text;
}

// The first of what takes long is told, too.
std::vector<std::string> Story::tell_progress(const std::string& time) {
  constexpr milliseconds kEvery{5000};
  const auto now = parse_time(time);
  if (!tells_progress_ || !now) return {};
  if (!progress_told_) progress_told_ = *now;
  if (*now - *progress_told_ < kEvery) return {};
  progress_told_ = *now;
  return {"    " + progress_text()};
}

std::string how_far(const api::Progress& progress) {
  std::string text = byte_count(progress.bytes);
  if (progress.total != 0) text += " of " + byte_count(progress.total);
  if (progress.rate != 0) text += ", " + byte_count(progress.rate) + "/s";
  if (progress.remaining_ms) text += ", " + duration(*progress.remaining_ms) + " left";
  return text;
}

std::vector<std::string> receipt(const DeploymentView& ended, const Style& style) {
  std::vector<std::string> lines;
  if (!ended.receipt) return lines;
  std::string phases;
  milliseconds total{0};
  for (const auto& [phase, time] : ended.phases) {
    if (phase == Phase::done) continue;
    phases += (phases.empty() ? "" : ", ") + std::string(name(phase)) + " " + duration(time);
    total += time;
  }
  const auto& figures = *ended.receipt;
  std::string requests = grouped(figures.requests + figures.failed) + ", " + grouped(figures.failed) + " failed, " +
                         grouped(figures.retried) + " retried, " + grouped(figures.held) + " held";
  if (figures.client_aborted != 0) requests += ", " + grouped(figures.client_aborted) + " given up by their clients";
  if (figures.cut != 0) requests += ", " + grouped(figures.cut) + " cut at the drain limit";
  lines.push_back(coloured("time      ", Colour::dim, style.colour) + duration(total) + ": " + phases);
  lines.push_back(coloured("requests  ", Colour::dim, style.colour) + requests + " · longest drain " +
                  duration(figures.longest_drain_ms));
  for (const auto& hook : ended.hooks) {
    if (hook.state != api::HookState::failed) continue;
    lines.push_back(coloured("hook      ", Colour::dim, style.colour) +
                    coloured(std::string(name(hook.hook)) + " failed: " + printable(hook.error), Colour::red, style.colour));
    for (const auto& line : hook.log_tail) lines.push_back("  | " + printable(line));
  }
  return lines;
}

std::vector<std::string> failure(const DeploymentView& ended, const Style& style) {
  std::vector<std::string> lines;
  if (ended.state == api::DeploymentState::succeeded) return lines;
  const std::string what = std::string(name(ended.kind)) + " of " + ended.app + " " +
                           (ended.state == api::DeploymentState::aborted ? "aborted" : "failed");
  if (!ended.error) return {coloured(what, Colour::red, style.colour)};
  std::string why = printable(ended.error->text);
  if (why.find("exit") == std::string::npos && why.find("signal") == std::string::npos) {
    api::EventData ending;
    ending.exit_code = ended.error->exit_code;
    ending.signal = ended.error->signal;
    why += with_exit(ending);
  }
  lines.push_back(coloured(what + ": " + why, Colour::red, style.colour));
  if (ended.error->log_tail.empty()) return lines;
  lines.push_back("its last lines were:");
  for (const auto& line : ended.error->log_tail) lines.push_back("  | " + printable(line));
  return lines;
}

std::string last_line(const DeploymentView& ended) {
  switch (ended.outcome.value_or(Outcome::kept_old)) {
    case Outcome::changed: return changed_line(ended);
    case Outcome::already_current:
      return ended.app + " is on " + version(ended.release ? ended.release : ended.previous_release) +
             " already, nothing changed";
    case Outcome::unchanged:
      return "nothing to do: the source has not changed since " + version(ended.release) + " was deployed from it";
    case Outcome::kept_old: return kept_line(ended);
    case Outcome::rolled_back:
      return ended.app + " was switched to " + version(ended.release) + " and then rolled back to " +
             version(ended.previous_release) + requests_failed(ended);
  }
  return "";
}

std::string how_to_follow(const std::string& why, const std::string& app, api::DeploymentId id) {
  const std::string number = std::to_string(id);
  return why + ": deployment " + number + " of " + app + " goes on · follow: fleetctl follow " + number +
         " · stop: fleetctl abort " + number;
}

std::string event_line(const EventView& event, const Style& style) {
  return coloured(printable(event.time), Colour::dim, style.colour) + " " +
         padded(printable(event.app.value_or("-")), 8) + " " +
         coloured(padded(name(event.type), 19), colour_of(event), style.colour) + " " + message_of(event);
}

std::string log_line(const api::LogLine& line, const Style& style) {
  if (line.instance.empty()) return printable(line.text);
  return coloured(printable(line.instance) + " |", Colour::dim, style.colour) + " " + printable(line.text);
}

}  // namespace fleet::ctl
