// The program's stdout and stderr: read as they come and written to the log, each line as
// "<RFC 3339 time, UTC, microseconds> <o|e> <line>"; and to the journal, where it is wanted.
#pragma once

#include <string>

#include "core/result.hpp"
#include "journal.hpp"
#include "lines.hpp"
#include "log_file.hpp"
#include "os/fd.hpp"

namespace fleet::shim {

class Output {
 public:
  struct Stream {
    char mark;
    os::Fd pipe;  // closed at its end
    LineCutter cutter;
  };

  // The ends for the program; ours stay here.
  struct Ends {
    os::Fd out, err;
  };
  Result<Ends> open(LogFile log, Journal journal = {});

  Stream& out() { return out_; }
  Stream& err() { return err_; }

  // Takes what is there, one buffer at most. False when there was nothing.
  bool read(Stream&);

  // Takes what is in both pipes, within reason.
  void drain();

  // No more will come: ends the last lines, closes all.
  void close();

 private:
  void add(const Stream&, std::string_view line);
  void end(Stream&);
  void flush();
  void report_lost(bool at_end);

  Stream out_{'o', {}, {}}, err_{'e', {}, {}};
  LogFile log_;
  Journal journal_;
  std::string now_, lines_;
};

}  // namespace fleet::shim
