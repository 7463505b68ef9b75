#include "core/config.hpp"

#include <charconv>

namespace fleet {

std::string to_string(const Endpoint& e) {
  const bool v6 = e.address.find(':') != std::string::npos;
  return (v6 ? "[" + e.address + "]" : e.address) + ":" + std::to_string(e.port);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  auto host = text.substr(0, colon);
  const auto port_text = text.substr(colon + 1);
  const bool bracketed = host.front() == '[' && host.back() == ']' && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size()) return std::nullopt;
  return Endpoint{std::string(host), port};
}

AppConfig merged(const AppConfig& operators, const BuildConfig& build) {
  auto app = operators;
  if (app.command.empty()) app.command = build.command;
  if (!app.health_given && build.health) app.health = *build.health;
  for (const auto& [name, value] : build.env) app.env.try_emplace(name, value);
  for (const auto& [prefix, folder] : build.assets) app.assets.try_emplace(prefix, folder);
  for (std::size_t i = 0; i < enum_count<Hook>(); ++i) {
    auto& mine = app.hooks.of(static_cast<Hook>(i));
    if (mine.command.empty()) mine = build.hooks.of(static_cast<Hook>(i));
  }
  return app;
}

}  // namespace fleet
