// Part of programs whose standard error nobody keeps, in builds with a sanitizer: its reports are FLEET_SANITIZER_LOG.PID.
extern "C" {
const char* __asan_default_options() { return "log_path=" FLEET_SANITIZER_LOG; }
const char* __tsan_default_options() { return "log_path=" FLEET_SANITIZER_LOG; }
}
