#include "netrc.hpp"

#include <algorithm>
#include <cctype>

namespace fleet::fetch {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool same_host(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  // Empty at the end. A word in quotes may have spaces, and backslashes before what follows them.
  std::string next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size()));
    if (!rest_.starts_with('"')) {
      const auto word = rest_.substr(0, rest_.find_first_of(kSpace));
      rest_.remove_prefix(word.size());
      return std::string(word);
    }
    std::string out;
    rest_.remove_prefix(1);
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    rest_.remove_prefix(std::min<std::size_t>(1, rest_.size()));
    return out;
  }
  void skip_line() { rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size())); }
  void skip_macro() { rest_.remove_prefix(std::min(rest_.find("\n\n"), rest_.size())); }
  bool over() const { return rest_.find_first_not_of(kSpace) == rest_.npos; }

 private:
  std::string_view rest_;
};

}  // namespace

std::optional<Login> login_for(std::string_view netrc, std::string_view host) {
  Words words(netrc);
  std::optional<Login> found;
  while (!words.over()) {
    const auto word = words.next();
    if (word == "machine" || word == "default") {
      if (found) return found;
      if (word == "default" || same_host(words.next(), host)) found.emplace();
    } else if (word == "login" || word == "password" || word == "account") {
      auto value = words.next();
      if (found && word == "login") found->user = std::move(value);
      else if (found && word == "password") found->password = std::move(value);
    } else if (word == "macdef") {
      words.skip_macro();
    } else if (word.starts_with('#')) {
      words.skip_line();
    }
  }
  return found;
}

}  // namespace fleet::fetch
