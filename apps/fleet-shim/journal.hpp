// systemd's journal, as a second place for lines: one datagram each in its native protocol, sent or dropped, never
// waited for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "os/fd.hpp"

namespace fleet::shim {

class Journal {
 public:
  Journal() = default;  // takes nothing, and drops nothing
  // `fields`: "NAME=value\n" each, that every line has; empty: as none. `socket`: /run/systemd/journal/socket.
  Journal(std::string fields, std::string socket);

  // A line without its end. Its priority is 6 (info) from standard output, mark 'o', and 4 (warning) from standard error.
  void send(char mark, std::string_view line);

  // Lines that did not get there since this was last said, and why; once lines do get there again, or at the `end`.
  // Nothing to say: empty.
  std::string lost(bool end);

 private:
  std::string fields_, path_, datagram_;
  os::Fd socket_;
  std::uint64_t dropped_ = 0;
  int error_ = 0;      // why
  bool works_ = true;  // the last one got there
};

}  // namespace fleet::shim
