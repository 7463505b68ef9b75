// The asset server: a child of the worker that opens and sends files, which the worker itself cannot, with no right to
// anything else. It ends with the worker. Should it end before, there are no assets, and nothing else is missing.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "assets/find.hpp"
#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::proxy::assets {

// The worker's end of it. No call blocks.
class Server {
 public:
  // Forks: before there are threads, secrets and the sandbox. SIGCHLD is ignored from then on, so that no zombie stays.
  // `releases`: the folder that files are below; empty: not known.
  static Result<Server> begin(const std::string& releases);

  // `head`: of a GET or HEAD. The connection that one HTTP/1.1 answer comes on, 404 when none of the places has a file;
  // nothing: it cannot be asked, now or ever.
  std::optional<os::Fd> ask(std::vector<Place> places, std::string_view head);

 private:
  explicit Server(os::Fd jobs) : jobs_(std::move(jobs)) {}
  os::Fd jobs_;
};

// The child's life.
[[noreturn]] void serve(os::Fd jobs, const std::string& releases);

}  // namespace fleet::proxy::assets
