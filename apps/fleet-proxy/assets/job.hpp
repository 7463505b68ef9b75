// What the worker asks of its asset server: one datagram, with the end of a stream socket that the answer goes to.
#pragma once

#include <string>
#include <vector>

#include "assets/find.hpp"
#include "wire/codec.hpp"

namespace fleet::proxy::assets {

struct Job {
  static constexpr const char* kName = "Job";
  std::vector<Place> places;  // the first that is there is the one
  std::string head;           // of the request, as the application had it
  FLEET_FIELDS(Job, places, head)
};

constexpr std::size_t kMaxJob = 64u << 10;  // bytes, encoded

}  // namespace fleet::proxy::assets
