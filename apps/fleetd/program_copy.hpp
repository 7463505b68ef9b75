// A copy of the fleet-proxy that is known to serve, for when the one on disk does not.
#pragma once

#include <optional>
#include <string>

#include "core/result.hpp"
#include "net/task.hpp"
#include "os/fd.hpp"

namespace fleet {

// Of a file that is run: another file in its place, or another content, has another. Empty: it cannot be told.
std::string identity_of(int fd);

class ProgramCopy {
 public:
  explicit ProgramCopy(std::string folder) : folder_(std::move(folder)) {}

  // What a former fleetd has kept.
  void find();
  // Takes the place of the one before. Gives way to others while it copies.
  net::Task<Result<>> keep(net::asio::io_context& io, os::Fd program, std::string identity);

  const std::string& identity() const { return identity_; }  // of what was copied; empty: nothing was
  std::string path() const { return folder_ + "/" + identity_; }

 private:
  std::string folder_, identity_;
};

}  // namespace fleet
