// A build's fleet-app.toml: whatever it holds, the reader ends with what the build wants or with problems that name
// their place; and what it wants, under an operator's settings, takes nothing from the operator.
#include "config/parse.hpp"

#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto listen = input.byte() == 'u' ? Listens::unix_ : Listens::tcp;
  const auto build = config::parse_app_file(std::string(input.rest()), "fleet-app.toml", listen);
  if (!build) {
    require(!build.error().list.empty(), "a refusal says why");
    for (const auto& line : build.error().lines()) {
      require(line.starts_with("fleet-app.toml") && line.find('\n') == std::string::npos, "and where, in one line");
    }
    return;
  }
  AppConfig app;
  app.name = "shop";
  app.env = {{"MODE", "own"}};
  const auto plain = merged(app, *build);
  require(plain.run == app.run && plain.hosts == app.hosts && plain.fetch == app.fetch &&
              plain.secrets == app.secrets && plain.instances == app.instances && plain.listen == app.listen &&
              plain.drain == app.drain,
          "a build says nothing of the machine");
  require(plain.env.at("MODE") == "own" && plain.env.size() <= build->env.size() + 1, "the operator's variables hold");
  app.command = {"own"};
  app.health_given = true;
  for (std::size_t i = 0; i < enum_count<Hook>(); ++i) app.hooks.of(static_cast<Hook>(i)).command = {"own"};
  const auto owned = merged(app, *build);
  require(owned.command == app.command && owned.health == app.health && owned.hooks == app.hooks, "the operator wins");
}
