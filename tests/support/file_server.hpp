// Serves files to fleet-fetch, and misbehaves as told: the far end of a build URL.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "os/fd.hpp"

namespace fleet::test {

class FileServer {
 public:
  explicit FileServer(std::string directory);
  ~FileServer();
  std::string url(const std::string& name) const;  // http://127.0.0.1:PORT/NAME

  // While held, answers stop in the middle of the body.
  void hold() { held_ = true; }
  void release();
  // Whether somebody waits in the middle of a body.
  bool someone_waits() const { return waiting_ > 0; }

 private:
  void accept_all();
  void serve(int socket);

  std::string directory_;
  os::Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> held_ = false, over_ = false;
  std::atomic<int> waiting_ = 0;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace fleet::test
