#include "telemetry/access_log.hpp"

#include <algorithm>
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

// Printable ASCII but for what quotes and escapes.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x7f; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

bool are_plain(std::uint64_t eight_bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t bytes) { return (bytes - kOnes) & ~bytes & kTops; };
  const auto below_blank = (eight_bytes - kOnes * 0x20) & ~eight_bytes & kTops;
  return ((eight_bytes & kTops) | below_blank | has_zero(eight_bytes ^ kOnes * '"') |
          has_zero(eight_bytes ^ kOnes * '\\') | has_zero(eight_bytes ^ kOnes * 0x7f)) == 0;
}

template <class Word>
std::uint64_t load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// In steps of eight or four bytes, the last of which overlaps the one before.
bool is_plain(std::string_view text) {
  const auto* from = text.data();
  const auto size = text.size();
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      if (!are_plain(load<std::uint64_t>(from + at))) return false;
    }
    return are_plain(load<std::uint64_t>(from + size - 8));
  }
  if (size >= 4) return are_plain(load<std::uint32_t>(from) << 32 | load<std::uint32_t>(from + size - 4));
  return std::ranges::all_of(text, [](char byte) { return kPlain[static_cast<unsigned char>(byte)]; });
}

constexpr std::size_t kEscaped = 6;  // bytes that one becomes at most

// Appends to memory that has room for all that will come.
class Text {
 public:
  explicit Text(char* at) : at_(at) {}
  char* end() const { return at_; }

  void put(char byte) { *at_++ = byte; }
  // At once when its size is known to the compiler, as that of a literal is.
  [[gnu::always_inline]] void put(std::string_view text) {
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void number(std::uint64_t value) { at_ = std::to_chars(at_, at_ + 24, value).ptr; }
  void three_digits(unsigned value) {
    put(static_cast<char>('0' + value / 100 % 10));
    put(static_cast<char>('0' + value / 10 % 10));
    put(static_cast<char>('0' + value % 10));
  }
  // What is not plain through `escape`.
  template <class Escape>
  void escaped(std::string_view text, Escape escape) {
    text = text.substr(0, kMaxValue);
    if (is_plain(text)) return put(text);
    for (const char letter : text) {
      const auto byte = static_cast<unsigned char>(letter);
      if (kPlain[byte]) put(letter);
      else escape(byte);
    }
  }

 private:
  char* at_;
};

// \u00xx: a byte that is not ASCII becomes the character of that number.
void put_json(Text& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.escaped(text, [&out](unsigned char byte) {
    if (byte == '"' || byte == '\\') {
      out.put('\\');
      out.put(static_cast<char>(byte));
    } else {
      out.put("\\u00");
      out.put(kHex[byte >> 4]);
      out.put(kHex[byte & 15]);
    }
  });
}

// \xXX, for quotes and backslashes too; nothing is "-".
void put_combined(Text& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  if (text.empty()) text = "-";
  out.escaped(text, [&out](unsigned char byte) {
    out.put("\\x");
    out.put(kHex[byte >> 4]);
    out.put(kHex[byte & 15]);
  });
}

// `key` with its comma, quotes and colon.
[[gnu::always_inline]] inline void put_text(Text& out, std::string_view key, std::string_view value) {
  out.put(key);
  out.put('"');
  put_json(out, value);
  out.put('"');
}

[[gnu::always_inline]] inline void put_count(Text& out, std::string_view key, std::uint64_t value) {
  out.put(key);
  out.number(value);
}

// Milliseconds with three digits behind the point.
[[gnu::always_inline]] inline void put_ms(Text& out, std::string_view key, std::chrono::microseconds value) {
  if (value.count() < 0) return;
  put_count(out, key, static_cast<std::uint64_t>(value.count() / 1000));
  out.put('.');
  out.three_digits(static_cast<unsigned>(value.count() % 1000));
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

void put_json_time(Text& out, WallTime now) {
  thread_local std::time_t cached = -1;
  thread_local char text[32];
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  out.put(text_of_second(static_cast<std::time_t>(ms / 1000), cached, text, [](const std::tm& parts) {
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  }));
  out.put('.');
  out.three_digits(static_cast<unsigned>(ms % 1000));
  out.put('Z');
}

void put_combined_time(Text& out, WallTime now) {
  thread_local std::time_t cached = -1;
  thread_local char text[32];
  out.put(text_of_second(std::chrono::system_clock::to_time_t(now), cached, text, [](const std::tm& parts) {
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::strftime(text, sizeof text, "%d/---/%Y:%H:%M:%S +0000", &parts);
    std::memcpy(text + 3, kMonths[parts.tm_mon], 3);
  }));
}

constexpr std::size_t kMaxFrame = 1024;  // of a line: keys, numbers, times, punctuation

template <class Put>
void append(std::string& out, std::size_t at_most, Put put) {
  const auto before = out.size();
  out.resize_and_overwrite(before + at_most, [&](char* text, std::size_t) {
    Text line(text + before);
    put(line);
    return static_cast<std::size_t>(line.end() - text);
  });
}

// The most that a line of these values can take.
template <class... Value>
std::size_t room_for(const Value&... values) {
  return kMaxFrame + (std::min(values.size(), kMaxValue) + ...) * kEscaped;
}

std::size_t room_for(const AccessEntry& e) {
  return room_for(e.app, e.target, e.upstream, e.client, e.user, e.method, e.host, e.path, e.protocol, e.tls, e.referer,
                  e.user_agent, e.error);
}

}  // namespace

void append_json(std::string& line, const AccessEntry& entry, WallTime now) {
  append(line, room_for(entry), [&](Text& out) {
    out.put("{\"ts\":\"");
    put_json_time(out, now);
    put_text(out, "\",\"app\":", entry.app);
    if (!entry.target.empty()) {
      put_count(out, ",\"release\":", entry.release);
      put_text(out, ",\"target\":", entry.target);
      put_text(out, ",\"upstream\":", entry.upstream);
    }
    put_text(out, ",\"client\":", entry.client);
    if (!entry.user.empty()) put_text(out, ",\"user\":", entry.user);
    put_text(out, ",\"method\":", entry.method);
    put_text(out, ",\"host\":", entry.host);
    put_text(out, ",\"path\":", entry.path);
    if (!entry.protocol.empty()) put_text(out, ",\"protocol\":", entry.protocol);
    put_count(out, ",\"status\":", static_cast<std::uint64_t>(entry.status));
    put_count(out, ",\"bytes_in\":", entry.bytes_in);
    put_count(out, ",\"bytes_out\":", entry.bytes_out);
    put_ms(out, ",\"first_byte_ms\":", entry.first_byte);
    put_ms(out, ",\"total_ms\":", entry.total);
    if (entry.held.count() > 0) put_ms(out, ",\"held_ms\":", entry.held);
    if (!entry.tls.empty()) put_text(out, ",\"tls\":", entry.tls);
    if (entry.retries != 0) put_count(out, ",\"retries\":", entry.retries);
    if (!entry.referer.empty()) put_text(out, ",\"referer\":", entry.referer);
    if (!entry.user_agent.empty()) put_text(out, ",\"user_agent\":", entry.user_agent);
    if (!entry.error.empty()) put_text(out, ",\"error\":", entry.error);
    out.put("}\n");
  });
}

void append_combined(std::string& line, const AccessEntry& entry, WallTime now) {
  append(line, room_for(entry), [&](Text& out) {
    put_combined(out, entry.client);
    out.put(" - ");
    put_combined(out, entry.user);
    out.put(" [");
    put_combined_time(out, now);
    out.put("] \"");
    put_combined(out, entry.method);
    out.put(' ');
    put_combined(out, entry.path);
    out.put(' ');
    put_combined(out, entry.protocol);
    out.put("\" ");
    out.number(static_cast<std::uint64_t>(entry.status == 0 ? kClientGone : entry.status));
    out.put(' ');
    out.number(entry.bytes_out);
    out.put(" \"");
    put_combined(out, entry.referer);
    out.put("\" \"");
    put_combined(out, entry.user_agent);
    out.put("\"\n");
  });
}

std::string gap_line(AccessLog format, std::string_view app, std::uint64_t lost, WallTime now) {
  std::string line;
  append(line, room_for(app), [&](Text& out) {
    if (format == AccessLog::combined) {
      out.put("# [");
      put_combined_time(out, now);
      out.put("] lines lost before this one: ");
      out.number(lost);
    } else {
      out.put("{\"ts\":\"");
      put_json_time(out, now);
      put_text(out, "\",\"app\":", app);
      put_count(out, ",\"lines_lost\":", lost);
      out.put('}');
    }
    out.put('\n');
  });
  return line;
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
  writer.write(file_, std::exchange(lines_, writer.spare()), std::exchange(count_, 0));
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
