// Compresses what the shims have put aside of instances' logs: shop-v4-76.log.1 becomes shop-v4-76.log.TIME.gz, by the
// time of its last line, so that the shim may number its files anew meanwhile. In processes of their own, one at a time
// and at the lowest priority; where that fails the file stays as it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/result.hpp"
#include "net/task.hpp"
#include "paths.hpp"

namespace fleet {

// Those in the folder that were put aside a while ago, so that whoever follows the log has read them to their end.
std::vector<std::string> to_compress(const std::string& folder, std::chrono::system_clock::time_point now);

// Of each instance `keep` of those put aside stay; the oldest compressed ones go.
void prune_archives(const std::string& folder, std::uint32_t keep);

// In a process of its own, which is idle from now on.
Result<> compress_log(const std::string& path);

// For as long as fleetd runs. `config`: that in force.
net::Task<> keep_logs_compressed(net::asio::io_context& io, const Paths& paths, std::function<const Config&()> config);

}  // namespace fleet
