// A worker with one application, spoken to in HTTP/2.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "http2_client.hpp"
#include "origin.hpp"
#include "worker_process.hpp"

namespace fleet::test {

class ProxyHttp2 : public testing::Test {
 protected:
  void serve(Origin::Handler handler, std::vector<std::string> arguments = {}) {
    origin.emplace(std::move(handler));
    worker.emplace(std::move(arguments));
    auto route = route_to({{"a", origin->port()}});
    route.hosts = {"shop.test", "exact.test"};
    worker->start(slot, {route});
  }
  Slot slot;
  std::optional<Origin> origin;
  std::optional<WorkerProcess> worker;
};

}  // namespace fleet::test
