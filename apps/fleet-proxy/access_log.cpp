#include "access_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace fleet::proxy {
namespace {

constexpr std::size_t kMaxValue = 4096, kFlushAt = 64u << 10;

void append_number(std::string& out, std::uint64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// Every byte outside printable ASCII becomes \u00xx: a log line is always one line of valid JSON.
void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text.substr(0, kMaxValue)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

void append_text(std::string& out, std::string_view key, std::string_view value) {
  out.append(",\"").append(key).append("\":\"");
  append_escaped(out, value);
  out += '"';
}

void append_count(std::string& out, std::string_view key, std::uint64_t value) {
  out.append(",\"").append(key).append("\":");
  append_number(out, value);
}

// Milliseconds with three digits behind the point.
void append_ms(std::string& out, std::string_view key, std::chrono::microseconds value) {
  if (value.count() < 0) return;
  append_count(out, key, static_cast<std::uint64_t>(value.count() / 1000));
  const auto rest = static_cast<unsigned>(value.count() % 1000);
  out += '.';
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
}

void append_time(std::string& out, std::chrono::system_clock::time_point now) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  static std::time_t cached = -1;
  static char text[32];
  if (const auto second = static_cast<std::time_t>(ms / 1000); second != cached) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    cached = second;
  }
  const auto rest = static_cast<unsigned>(ms % 1000);
  out += text;
  out += '.';
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
  out += 'Z';
}

}  // namespace

void append_line(std::string& out, const AccessEntry& entry, std::chrono::system_clock::time_point now) {
  out += "{\"ts\":\"";
  append_time(out, now);
  out += '"';
  append_text(out, "app", entry.app);
  if (!entry.target.empty()) {
    append_count(out, "release", entry.release);
    append_text(out, "target", entry.target);
    append_text(out, "upstream", entry.upstream);
  }
  append_text(out, "client", entry.client);
  append_text(out, "method", entry.method);
  append_text(out, "host", entry.host);
  append_text(out, "path", entry.path);
  append_count(out, "status", static_cast<std::uint64_t>(entry.status));
  append_count(out, "bytes_in", entry.bytes_in);
  append_count(out, "bytes_out", entry.bytes_out);
  append_ms(out, "first_byte_ms", entry.first_byte);
  append_ms(out, "total_ms", entry.total);
  if (!entry.tls.empty()) append_text(out, "tls", entry.tls);
  if (entry.retries != 0) append_count(out, "retries", entry.retries);
  if (!entry.error.empty()) append_text(out, "error", entry.error);
  out += "}\n";
}

void AccessLogs::replace(std::map<std::string, os::Fd, std::less<>> logs) {
  flush();
  logs_.clear();
  waiting_ = 0;
  for (auto& [app, fd] : logs) logs_[app].fd = std::move(fd);
}

void AccessLogs::add(const AccessEntry& entry) {
  const auto found = logs_.find(entry.app);
  if (found == logs_.end()) return;
  auto& lines = found->second.lines;
  const auto before = lines.size();
  append_line(lines, entry, std::chrono::system_clock::now());
  waiting_ += lines.size() - before;
  if (lines.size() >= kFlushAt) flush(found->second);
}

void AccessLogs::flush() {
  if (waiting_ == 0) return;
  for (auto& [app, log] : logs_) flush(log);
}

void AccessLogs::flush(Log& log) {
  if (log.lines.empty()) return;
  const ssize_t written = ::write(log.fd.get(), log.lines.data(), log.lines.size());
  const auto done = static_cast<std::size_t>(std::max<ssize_t>(written, 0));
  if (done < log.lines.size()) {
    lost_ += static_cast<std::uint64_t>(
        std::count(log.lines.begin() + static_cast<std::ptrdiff_t>(done), log.lines.end(), '\n'));
  }
  waiting_ -= log.lines.size();
  log.lines.clear();
}

}  // namespace fleet::proxy
