// What workers have counted, summed over those that live and those that have ended, so that no sum goes down when a
// worker does. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/fields.hpp"
#include "wire/messages.hpp"

namespace fleet {

// Of one worker, or of several.
struct FigureSums {
  std::map<std::string, wire::ReleaseFigures> releases;  // by figures_key()
  std::uint64_t accepted = 0, turned_away = 0, log_lines_lost = 0, failed_handshakes = 0;
  std::vector<wire::HandshakeCount> handshakes;
  std::uint64_t bad_proxy_headers = 0, over_address_limit = 0, evicted = 0, slow_clients = 0, loops = 0;
  FLEET_FIELDS(FigureSums, releases, accepted, turned_away, log_lines_lost, failed_handshakes, handshakes,
               bad_proxy_headers, over_address_limit, evicted, slow_clients, loops)
};

// What the next fleetd needs to go on from where this one stood: the workers that were there tell it the rest. Should one
// of them have ended meanwhile, nobody knows what it had counted, and all begin from 0 again.
struct KeptFigures {
  FigureSums past;                   // of those that have ended
  std::vector<std::string> workers;  // ids of the others
  FLEET_FIELDS(KeptFigures, past, workers)
};

std::string figures_key(const std::string& app, std::uint64_t release);

// What a worker tells replaces what it told before; what it will not tell again goes to `past`.
void take(FigureSums& live, FigureSums& past, const wire::Figures& told);
void take(FigureSums& live, const wire::Stats& told);

void add(FigureSums& into, const FigureSums& from);

}  // namespace fleet
