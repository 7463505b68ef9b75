// A library to be preloaded (LD_PRELOAD): the time of day is as many seconds off as the file FLEET_CLOCK_SHIFT says,
// 8 bytes in the machine's order, at that moment. The monotonic clock is the kernel's.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

const std::atomic<std::int64_t>* shift = nullptr;

__attribute__((constructor)) void open_shift() {
  const char* path = std::getenv("FLEET_CLOCK_SHIFT");
  const int file = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void* at = ::mmap(nullptr, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (at != MAP_FAILED) shift = static_cast<const std::atomic<std::int64_t>*>(at);
}

std::int64_t seconds_off() { return shift == nullptr ? 0 : shift->load(std::memory_order_relaxed); }

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += seconds_off();
  return result;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

}
