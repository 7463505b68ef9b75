// Where fleetctl writes: data on standard output, talk on standard error, and on a terminal one line that changes.
#pragma once

#include <string>
#include <string_view>

#include "story.hpp"

namespace fleet::ctl {

class Terminal {
 public:
  Terminal();  // looks at the descriptors, NO_COLOR, TERM and the locale
  ~Terminal();

  void data(std::string_view text);  // as it is
  void line(std::string_view text);  // data, and a line end
  void say(std::string_view text);   // talk, and a line end

  // The line for the moment, at the bottom; empty takes it away. Nothing where talk goes to no terminal.
  void moment(std::string_view text);
  bool has_moments() const { return talk_is_terminal_; }

  void clear();  // the screen, if data goes to a terminal

  const Style& data_style() const { return data_style_; }
  const Style& talk_style() const { return talk_style_; }

 private:
  bool data_is_terminal_, talk_is_terminal_;
  Style data_style_, talk_style_;
  bool moment_shown_ = false;
};

}  // namespace fleet::ctl
