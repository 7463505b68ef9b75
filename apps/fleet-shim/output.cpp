#include "output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace fleet::shim {
namespace {

constexpr std::size_t kRead = 16u << 10;   // bytes at once
constexpr std::size_t kBatch = 32u << 10;  // bytes of lines that are collected before they are written
constexpr std::size_t kDrain = 256;        // reads; far more than two pipes hold, and an end for a program that goes on

Result<os::Fd> open_pipe(os::Fd& read_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("cannot make a pipe", errno);
  read_end.reset(ends[0]);
  os::Fd write_end(ends[1]);
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail_errno("cannot make a pipe", errno);
  // The program's end reads as well, if that can be had: should we be killed, it does not get SIGPIPE for the next line
  // that it writes, and has time to be replaced.
  os::Fd both(::open(("/proc/self/fd/" + std::to_string(ends[1])).c_str(), O_RDWR | O_CLOEXEC));
  if (both) return both;
  return write_end;
}

}  // namespace

Result<Output::Ends> Output::open(LogFile log, Journal journal) {
  log_ = std::move(log);
  journal_ = std::move(journal);
  TRY(os::Fd out, open_pipe(out_.pipe));
  TRY(os::Fd err, open_pipe(err_.pipe));
  return Ends{std::move(out), std::move(err)};
}

bool Output::read(Stream& stream) {
  char buffer[kRead];
  const ssize_t got = stream.pipe ? ::read(stream.pipe.get(), buffer, sizeof buffer) : -1;
  if (got < 0) return false;
  now_ = timestamp(std::chrono::system_clock::now());
  if (got == 0) {
    end(stream);
  } else {
    stream.cutter.feed(std::string_view(buffer, static_cast<std::size_t>(got)),
                       [&](std::string_view line) { add(stream, line); });
    report_lost(false);
  }
  flush();
  return got > 0;
}

void Output::drain() {
  for (Stream* stream : {&out_, &err_}) {
    for (std::size_t i = 0; i < kDrain && read(*stream); ++i) {
    }
  }
}

void Output::close() {
  drain();
  now_ = timestamp(std::chrono::system_clock::now());
  end(out_), end(err_);
  report_lost(true);
  flush();
  log_ = LogFile();
  lines_ = {};
}

void Output::end(Stream& stream) {
  stream.cutter.finish([&](std::string_view line) { add(stream, line); });
  stream.pipe.reset();
}

void Output::report_lost(bool at_end) {
  const auto lost = journal_.lost(at_end);
  if (!lost.empty()) lines_.append(now_).append(" e fleet-shim: ").append(lost).push_back('\n');
}

void Output::add(const Stream& stream, std::string_view line) {
  journal_.send(stream.mark, line);
  lines_.append(now_).append({' ', stream.mark, ' '}).append(line).push_back('\n');
  if (lines_.size() >= kBatch) flush();
}

void Output::flush() {
  log_.write(lines_);
  lines_.clear();
}

}  // namespace fleet::shim
