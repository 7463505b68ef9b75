#include "telemetry/log_writer.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "telemetry/access_log.hpp"

namespace fleet::proxy {
namespace {

constexpr std::size_t kSpare = 4;

struct Batch {
  LogFile file;
  std::string text;
  std::uint32_t lines = 0;
  std::uint64_t missing = 0;  // lines before it
};

// How many bytes were written before an error.
std::size_t write_all(int fd, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return done;
}

// How many lines were lost of it.
std::uint64_t write_batch(const Batch& batch) {
  auto& gap = *batch.file.gap;
  const auto missing = batch.missing + std::exchange(gap.failed, 0);
  std::string before;
  if (gap.torn) before += '\n';
  if (missing > 0) before += gap_line(batch.file.format, batch.file.app, missing, std::chrono::system_clock::now());
  const int fd = batch.file.fd->get();
  const auto said = write_all(fd, before);
  if (said > 0) gap.torn = before[said - 1] != '\n';
  if (said < before.size()) {
    gap.failed = missing + batch.lines;
    return batch.lines;
  }
  const auto done = write_all(fd, batch.text);
  if (done == batch.text.size()) return 0;
  if (done > 0) gap.torn = batch.text[done - 1] != '\n';
  const auto at = batch.text.begin() + static_cast<std::ptrdiff_t>(done);
  const auto lost = static_cast<std::uint64_t>(std::count(at, batch.text.end(), '\n'));
  gap.failed = lost;
  return lost;
}

}  // namespace

struct LogWriter::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Batch> waiting;
  std::vector<std::string> spare;
  std::size_t bytes = 0;  // waiting, and being written
  bool ending = false;
  std::atomic<std::uint64_t> lost = 0;  // lines
};

LogWriter::LogWriter() : state_(std::make_shared<State>()) {
  // Signals are for the main thread.
  sigset_t all, former;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &former);
  thread_ = std::thread(run, state_);
  ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

LogWriter::~LogWriter() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->changed.notify_all();
  if (finish(std::chrono::milliseconds(0))) thread_.join();
  else thread_.detach();
}

void LogWriter::run(std::shared_ptr<State> state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->changed.wait(lock, [&] { return state->ending || !state->waiting.empty(); });
    if (state->waiting.empty()) return;
    {
      auto batch = std::move(state->waiting.front());
      state->waiting.pop_front();
      lock.unlock();
      state->lost += write_batch(batch);
      lock.lock();
      state->bytes -= batch.text.size();
      if (state->spare.size() < kSpare) state->spare.push_back(std::move(batch.text));
    }
    if (state->waiting.empty()) state->changed.notify_all();
  }
}

void LogWriter::write(const LogFile& file, std::string text, std::uint32_t lines) {
  {
    const std::lock_guard lock(state_->mutex);
    if (file.fd && state_->bytes + text.size() <= kMaxWaiting) {
      state_->bytes += text.size();
      state_->waiting.push_back({file, std::move(text), lines, std::exchange(file.gap->dropped, 0)});
      state_->changed.notify_all();
      return;
    }
  }
  state_->lost += lines;
  file.gap->dropped += lines;
}

std::string LogWriter::spare() {
  std::string text;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->spare.empty()) return text;
    text = std::move(state_->spare.back());
    state_->spare.pop_back();
  }
  text.clear();
  return text;
}

std::uint64_t LogWriter::lost() const { return state_->lost; }

bool LogWriter::finish(std::chrono::milliseconds at_most) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, at_most, [this] { return state_->bytes == 0; });
}

}  // namespace fleet::proxy
