#include "access_log.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace fleet::proxy {
namespace {

using WallTime = std::chrono::system_clock::time_point;

constexpr std::size_t kMaxValue = 4096, kFlushAt = 64u << 10;
constexpr int kClientGone = 499;  // in the combined format, where nginx has made it known

void append_number(std::string& out, std::uint64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// Printable ASCII but for what quotes and escapes.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

// How many bytes at the start of `text` are plain, in steps of eight.
std::size_t plain_eights(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  // The top bit of each byte that is 0, at least if it is the first that is.
  const auto zero = [](std::uint64_t bytes) { return (bytes - kOnes) & ~bytes & kTops; };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, text.data() + at, 8);
    const auto below_blank = (bytes - kOnes * 0x20) & ~bytes & kTops;
    if ((bytes & kTops) | below_blank | zero(bytes ^ kOnes * '"') | zero(bytes ^ kOnes * '\\') |
        zero(bytes ^ kOnes * 0x7f)) {
      break;
    }
  }
  return at;
}

// Every other byte through `escape`.
template <class Escape>
void append_escaped(std::string& out, std::string_view text, Escape escape) {
  text = text.substr(0, kMaxValue);
  std::size_t from = 0;
  for (std::size_t at = plain_eights(text); at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (kPlain[byte]) continue;
    out.append(text, from, at - from);
    escape(byte);
    from = at + 1;
  }
  out.append(text, from);
}

// \u00xx: a byte that is not ASCII becomes the character of that number.
void append_json_text(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  append_escaped(out, text, [&out](unsigned char byte) {
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += static_cast<char>(byte);
    } else {
      out.append("\\u00");
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  });
}

// \xXX, for quotes and backslashes too; nothing is "-".
void append_combined_text(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  if (text.empty()) text = "-";
  append_escaped(out, text, [&out](unsigned char byte) {
    out.append("\\x");
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  });
}

void append_text(std::string& out, std::string_view key, std::string_view value) {
  out.append(",\"").append(key).append("\":\"");
  append_json_text(out, value);
  out += '"';
}

void append_count(std::string& out, std::string_view key, std::uint64_t value) {
  out.append(",\"").append(key).append("\":");
  append_number(out, value);
}

void append_three_digits(std::string& out, unsigned value) {
  out += static_cast<char>('0' + value / 100 % 10);
  out += static_cast<char>('0' + value / 10 % 10);
  out += static_cast<char>('0' + value % 10);
}

// Milliseconds with three digits behind the point.
void append_ms(std::string& out, std::string_view key, std::chrono::microseconds value) {
  if (value.count() < 0) return;
  append_count(out, key, static_cast<std::uint64_t>(value.count() / 1000));
  out += '.';
  append_three_digits(out, static_cast<unsigned>(value.count() % 1000));
}

// Of the second, made anew only when that is another.
template <class Make>
std::string_view text_of_second(std::time_t second, std::time_t& cached, char (&text)[32], Make make) {
  if (second != cached) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    make(parts);
    cached = second;
  }
  return text;
}

void append_json_time(std::string& out, WallTime now) {
  thread_local std::time_t cached = -1;
  thread_local char text[32];
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  out += text_of_second(static_cast<std::time_t>(ms / 1000), cached, text, [](const std::tm& parts) {
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  });
  out += '.';
  append_three_digits(out, static_cast<unsigned>(ms % 1000));
  out += 'Z';
}

void append_combined_time(std::string& out, WallTime now) {
  thread_local std::time_t cached = -1;
  thread_local char text[32];
  out += text_of_second(std::chrono::system_clock::to_time_t(now), cached, text, [](const std::tm& parts) {
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::strftime(text, sizeof text, "%d/---/%Y:%H:%M:%S +0000", &parts);
    std::memcpy(text + 3, kMonths[parts.tm_mon], 3);
  });
}

}  // namespace

void append_json(std::string& out, const AccessEntry& entry, WallTime now) {
  out += "{\"ts\":\"";
  append_json_time(out, now);
  out += '"';
  append_text(out, "app", entry.app);
  if (!entry.target.empty()) {
    append_count(out, "release", entry.release);
    append_text(out, "target", entry.target);
    append_text(out, "upstream", entry.upstream);
  }
  append_text(out, "client", entry.client);
  if (!entry.user.empty()) append_text(out, "user", entry.user);
  append_text(out, "method", entry.method);
  append_text(out, "host", entry.host);
  append_text(out, "path", entry.path);
  if (!entry.protocol.empty()) append_text(out, "protocol", entry.protocol);
  append_count(out, "status", static_cast<std::uint64_t>(entry.status));
  append_count(out, "bytes_in", entry.bytes_in);
  append_count(out, "bytes_out", entry.bytes_out);
  append_ms(out, "first_byte_ms", entry.first_byte);
  append_ms(out, "total_ms", entry.total);
  if (entry.held.count() > 0) append_ms(out, "held_ms", entry.held);
  if (!entry.tls.empty()) append_text(out, "tls", entry.tls);
  if (entry.retries != 0) append_count(out, "retries", entry.retries);
  if (!entry.referer.empty()) append_text(out, "referer", entry.referer);
  if (!entry.user_agent.empty()) append_text(out, "user_agent", entry.user_agent);
  if (!entry.error.empty()) append_text(out, "error", entry.error);
  out += "}\n";
}

void append_combined(std::string& out, const AccessEntry& entry, WallTime now) {
  append_combined_text(out, entry.client);
  out += " - ";
  append_combined_text(out, entry.user);
  out += " [";
  append_combined_time(out, now);
  out += "] \"";
  append_combined_text(out, entry.method);
  out += ' ';
  append_combined_text(out, entry.path);
  out += ' ';
  append_combined_text(out, entry.protocol);
  out += "\" ";
  append_number(out, static_cast<std::uint64_t>(entry.status == 0 ? kClientGone : entry.status));
  out += ' ';
  append_number(out, entry.bytes_out);
  out += " \"";
  append_combined_text(out, entry.referer);
  out += "\" \"";
  append_combined_text(out, entry.user_agent);
  out += "\"\n";
}

std::string gap_line(AccessLog format, std::string_view app, std::uint64_t lost, WallTime now) {
  std::string out;
  if (format == AccessLog::combined) {
    out += "# [";
    append_combined_time(out, now);
    out += "] lines lost before this one: ";
    append_number(out, lost);
  } else {
    out += "{\"ts\":\"";
    append_json_time(out, now);
    out += '"';
    append_text(out, "app", app);
    append_count(out, "lines_lost", lost);
    out += '}';
  }
  out += '\n';
  return out;
}

// ---- one log

AppLog::AppLog(std::string app, AccessLog format) {
  file_.app = std::move(app);
  file_.format = format;
}

void AppLog::add(const AccessEntry& entry, LogWriter& writer) {
  const auto now = std::chrono::system_clock::now();
  switch (file_.format) {
    case AccessLog::off: return;
    case AccessLog::json: append_json(lines_, entry, now); break;
    case AccessLog::combined: append_combined(lines_, entry, now); break;
  }
  ++count_;
  if (lines_.size() >= kFlushAt) flush(writer);
}

void AppLog::flush(LogWriter& writer) {
  if (lines_.empty()) return;
  writer.write(file_, std::exchange(lines_, {}), std::exchange(count_, 0));
}

void AppLog::write_to(os::Fd fd, LogWriter& writer) {
  flush(writer);
  file_.fd = std::make_shared<const os::Fd>(std::move(fd));
}

// ---- all of them

AppLogPtr AccessLogs::of(const std::string& app, AccessLog format) {
  if (format == AccessLog::off) return nullptr;
  auto& log = logs_[app];
  if (!log) log = std::make_shared<AppLog>(app, format);
  log->set_format(format);
  return log;
}

void AccessLogs::open(const std::string& app, os::Fd fd) {
  if (!writer_) return;
  auto& log = logs_[app];
  if (!log) log = std::make_shared<AppLog>(app, AccessLog::json);
  log->write_to(std::move(fd), *writer_);
}

void AccessLogs::forget_unused() {
  flush();
  std::erase_if(logs_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

void AccessLogs::add(AppLog& log, const AccessEntry& entry) {
  if (!writer_) return;
  log.add(entry, *writer_);
  waiting_ = true;
}

void AccessLogs::flush() {
  if (!waiting_) return;
  waiting_ = false;
  for (auto& [app, log] : logs_) log->flush(*writer_);
}

void AccessLogs::finish(std::chrono::milliseconds at_most) {
  flush();
  if (writer_) writer_->finish(at_most);
}

}  // namespace fleet::proxy
