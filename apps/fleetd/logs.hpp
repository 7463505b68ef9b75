// Reading what the applications wrote: the shims' log files, merged by time; and access logs.
#pragma once

#include <string>
#include <vector>

#include "api/backend.hpp"
#include "core/result.hpp"
#include "paths.hpp"

namespace fleet {

// Errors: usage for a cursor that is not ours.
Result<api::LogsView> read_logs(const Paths& paths, const std::string& app, const api::LogQuery& query);

// The same of what its requests left in access.log: lines as they stand there, of no instance.
Result<api::LogsView> read_access_log(const Paths& paths, const std::string& app, const api::LogQuery& query);

// The last lines of one instance, as it wrote them.
std::vector<std::string> last_lines(const Paths& paths, const std::string& app, const std::string& instance, std::size_t count);

// Removes the logs of instances that are not `kept`, but for the newest `spare` of them.
void prune_logs(const Paths& paths, const std::string& app, const std::vector<std::string>& kept, std::size_t spare);

}  // namespace fleet
