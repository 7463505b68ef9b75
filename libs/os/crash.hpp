// A program that crashes says so: which signal, and where it was. There are no core files, and often nobody is there to see.
#pragma once

namespace fleet::os {

// From now on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT leave lines on standard error before they end the program as
// they would have: "NAME crashed: SIGSEGV", then what was called, for addr2line(1). `name` must live on. Does nothing in
// builds with a sanitizer, which tells more.
void report_crashes(const char* name);

}  // namespace fleet::os
