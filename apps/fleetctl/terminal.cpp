#include "terminal.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "text.hpp"

namespace fleet::ctl {
namespace {

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

bool is_smart_terminal(int fd) {
  const char* term = std::getenv("TERM");
  return ::isatty(fd) == 1 && term && std::strcmp(term, "dumb") != 0;
}

std::size_t columns(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// A line that wraps could not be taken away again.
std::string cut(std::string_view text, std::size_t limit) {
  std::string out(text);
  while (width(out) > limit) out.pop_back();
  return out;
}

}  // namespace

Terminal::Terminal()
    : data_is_terminal_(is_smart_terminal(STDOUT_FILENO)), talk_is_terminal_(is_smart_terminal(STDERR_FILENO)) {
  std::setlocale(LC_CTYPE, "");
  const char* no_colour = std::getenv("NO_COLOR");
  const bool colour = !no_colour || *no_colour == '\0';
  const bool utf8 = std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
  data_style_ = {data_is_terminal_ && colour, data_is_terminal_ && utf8};
  talk_style_ = {talk_is_terminal_ && colour, talk_is_terminal_ && utf8};
}

Terminal::~Terminal() { moment(""); }

void Terminal::data(std::string_view text) {
  moment("");
  write_all(STDOUT_FILENO, text);
}

void Terminal::line(std::string_view text) { data(std::string(text) + "\n"); }

void Terminal::say(std::string_view text) {
  moment("");
  write_all(STDERR_FILENO, std::string(text) + "\n");
}

void Terminal::moment(std::string_view text) {
  if (!talk_is_terminal_ || (text.empty() && !moment_shown_)) return;
  write_all(STDERR_FILENO, "\r\x1b[2K" + cut(text, columns(STDERR_FILENO) - 1));
  moment_shown_ = !text.empty();
}

void Terminal::clear() {
  if (data_is_terminal_) write_all(STDOUT_FILENO, "\x1b[H\x1b[2J");
}

}  // namespace fleet::ctl
