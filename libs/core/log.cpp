#include "core/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace fleet::log {

void start(const std::string& program, const std::string& level) {
  const bool no_color = std::getenv("NO_COLOR") != nullptr;
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_st>(no_color ? spdlog::color_mode::never
                                                                                 : spdlog::color_mode::automatic);
  auto logger = std::make_shared<spdlog::logger>(program, std::move(sink));
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %n: %v",
                                                                    spdlog::pattern_time_type::utc));
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace fleet::log
