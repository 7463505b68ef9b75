// The program's end of sd_notify(3): what it says about itself over NOTIFY_SOCKET.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/confinement.hpp"
#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::shim {

struct Notice {
  bool ready = false;                 // READY=1
  std::optional<std::string> status;  // STATUS=, at most 256 bytes of printable UTF-8
};

Notice parse_notice(std::string_view datagram);

class NotifySocket {
 public:
  NotifySocket() = default;
  ~NotifySocket() { close(); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // `user`: who may write to it besides us.
  Result<> open(const std::string& path, const std::optional<Identity>& user);
  void close();  // removes the socket file
  int fd() const { return fd_.get(); }

  // The next notice from one of our descendants; nothing when there is none.
  std::optional<Notice> receive();

 private:
  std::string path_;
  os::Fd fd_;
};

}  // namespace fleet::shim
