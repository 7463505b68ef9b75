// Part of every program, in builds with a sanitizer. FLEET_SANITIZER_LOG: where the reports go of those whose standard
// error nobody keeps, with the pid at the end.
#ifndef FLEET_SANITIZER_LOG
#define FLEET_SANITIZER_LOG ""
#endif

// fleet-proxy forks before it has threads of its own; that the thread sanitizer has one then is no reason to give up.
extern "C" {
const char* __asan_default_options() { return "detect_leaks=1" FLEET_SANITIZER_LOG; }
const char* __tsan_default_options() { return "die_after_fork=0" FLEET_SANITIZER_LOG; }
}
