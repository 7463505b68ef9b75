#include "scene.hpp"

#include <chrono>

namespace fleet::soak {
namespace {

using test::Json;

const std::string kMark = "X-Soak = \"";

test::FleetSetup setup() {
  test::FleetSetup setup;
  setup.fleet_lines = {};
  test::DemoApp shop, kiosk;
  // Quick probes, so that what is stopped is noticed; streams are closed soon, so that deploys follow each other.
  shop.health = {"path = \"/health\"", "interval = \"200ms\"", "healthy = 1", "start_timeout = \"10s\""};
  shop.drain = {"timeout = \"10s\"", "streams = \"500ms\"", "stop_timeout = \"5s\""};
  shop.lines = {"keep_releases = 2", "response_headers.set = { " + kMark + "0\" }"};
  kiosk = shop;
  kiosk.name = "kiosk";
  kiosk.instances = 1;
  kiosk.on_socket = true;
  kiosk.lines.push_back("hosts = [\"kiosk.example\"]");
  setup.demo_apps = {shop, kiosk};
  setup.tables = "access_log_size = \"1GiB\"\n";
  return setup;
}

// Every app serves with all its instances, every slot has a worker that accepts, nobody is leaving.
bool is_well(const Json& status, pid_t without) {
  for (const auto& worker : status.at("workers")) {
    if (worker.at("state") != "accepting" || worker.at("pid") == without) return false;
  }
  for (const auto& app : status.at("apps")) {
    if (app.at("state") != "serving" || !app.at("deployment").is_null()) return false;
    for (const auto& instance : app.at("instances")) {
      if (instance.at("state") != "ready" || instance.at("pid") == without) return false;
    }
  }
  return status.at("workers").size() == 2;
}

}  // namespace

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Scene::Scene() : fleet(setup()) {}

std::optional<Json> Scene::status() const {
  const auto answer = test::fetch(fleet.api(), "GET", "/v1/status");
  if (!answer || answer->status != 200) return std::nullopt;
  return Json::parse(answer->body);
}

bool Scene::wait_well(milliseconds limit, pid_t without) const {
  return test::eventually(limit, [&] {
    const auto seen = status();
    return seen && is_well(*seen, without);
  });
}

bool Scene::wait_answers(milliseconds limit) const {
  return test::eventually(limit, [&] {
    const auto answer = test::fetch(fleet.api(), "GET", "/healthz");
    return answer && answer->status == 200;
  });
}

void Scene::touch_configuration() {
  auto text = test::read_whole(fleet.config_path());
  for (std::size_t at = 0; (at = text.find(kMark, at)) != std::string::npos;) {
    at += kMark.size();
    text.replace(at, text.find('"', at) - at, std::to_string(touched_ + 1));
  }
  ++touched_;
  test::write_whole(fleet.config_path() + ".new", text);
  std::rename((fleet.config_path() + ".new").c_str(), fleet.config_path().c_str());
}

std::vector<std::string> Scene::urls() const {
  const auto port = [](const test::Peer& peer) { return std::to_string(peer.port); };
  return {"http://127.0.0.1:" + port(fleet.http()), "https://localhost:" + port(fleet.https()),
          "http://kiosk.example:" + port(fleet.http()), "https://kiosk.example:" + port(fleet.https())};
}

std::set<std::uint16_t> Scene::ports() const { return {fleet.http().port, fleet.https().port}; }

}  // namespace fleet::soak
