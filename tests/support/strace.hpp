// strace as the cause of faults: system calls of a running program fail, wait, or kill it.
#pragma once

#include <sys/types.h>

#include <string>

#include "support/process.hpp"

namespace fleet::test {

class Strace {
 public:
  // From when this returns, what strace(1) calls an injection, "fsync,fdatasync:error=EIO" for example, is done to
  // `pid`; with `children` to those it starts from now on too. Throws when it cannot be traced.
  Strace(pid_t pid, const std::string& injection, bool children = false);
  ~Strace() { end(); }
  Strace(const Strace&) = delete;

  // The program goes on as if nothing had been. One that was killed is dead for its parent only after this.
  void end();

 private:
  Program strace_;
};

}  // namespace fleet::test
