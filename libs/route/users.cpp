#include "route/users.hpp"

#include <charconv>

#include "http/chars.hpp"

namespace fleet::route {
namespace {

using std::string_view;

constexpr std::size_t kMaxUsers = 1000, kMaxName = 255, kMaxPassword = 256;
constexpr unsigned kMaxRounds = 20'000, kMaxCost = 7;
constexpr string_view kRight = "make it anew: htpasswd -B -C 7, or mkpasswd -m sha-256";

auto wrong(std::string why) { return fail(ErrorKind::usage, std::move(why)); }

std::optional<unsigned> number(string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_crypt_text(string_view text) {
  for (const char c : text) {
    const bool alnum = (c >= '0' && c <= '9') || (http::lower(c) >= 'a' && http::lower(c) <= 'z');
    if (!alnum && c != '.' && c != '/') return false;
  }
  return true;
}

// "$2y$07$" and 53 characters. A round costs about 55 us.
Result<std::uint32_t> cost_of_bcrypt(string_view hash) {
  const auto cost = hash.size() == 60 && hash[6] == '$' ? number(hash.substr(4, 2)) : std::nullopt;
  if (!cost || *cost < 4 || *cost > 31 || !is_crypt_text(hash.substr(7))) return wrong("not a whole bcrypt hash");
  if (*cost > kMaxCost) {
    return wrong("bcrypt of cost " + std::to_string(*cost) + " would hold up all requests, at most " + std::to_string(kMaxCost) +
                 " will do (" + std::string(kRight) + ")");
  }
  return std::uint32_t{55} << *cost;
}

// "$5$[rounds=N$]salt$" and 43 characters, "$6$..." and 86. A thousand rounds cost about 450 us.
Result<std::uint32_t> cost_of_sha(string_view hash) {
  const std::size_t digest = hash[1] == '5' ? 43 : 86;
  auto rest = hash.substr(3);
  unsigned rounds = 5000;
  if (constexpr string_view kRounds = "rounds="; rest.starts_with(kRounds)) {
    const auto end = rest.find('$');
    const auto told = end == string_view::npos ? std::nullopt : number(rest.substr(kRounds.size(), end - kRounds.size()));
    if (!told || *told < 1000) return wrong("not a whole SHA-crypt hash");
    if (*told > kMaxRounds) {
      return wrong(std::to_string(*told) + " rounds would hold up all requests (at most " + std::to_string(kMaxRounds) + ")");
    }
    rounds = *told;
    rest.remove_prefix(end + 1);
  }
  const auto salt = rest.find('$');
  if (salt == string_view::npos || salt > 16 || rest.size() != salt + 1 + digest || !is_crypt_text(rest.substr(salt + 1))) {
    return wrong("not a whole SHA-crypt hash");
  }
  return rounds * 45 / 100;
}

Result<std::uint32_t> cost_of(string_view hash) {
  if (hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$")) return cost_of_bcrypt(hash);
  if (hash.starts_with("$5$") || hash.starts_with("$6$")) return cost_of_sha(hash);
  const bool known_bad = hash.starts_with("$apr1$") || hash.starts_with("$1$") || hash.starts_with("{SHA}");
  if (hash.starts_with("$y$")) return wrong("yescrypt takes too much memory here (" + std::string(kRight) + ")");
  return wrong((known_bad ? "this kind of hash is guessed too fast (" : "not a hash that fleet knows (") + std::string(kRight) + ")");
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool decode_base64(string_view text, std::string& out) {
  if (text.size() % 4 == 0) {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return false;
  std::uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return false;
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffffff;
    have += 6;
    if (have >= 8) out.push_back(static_cast<char>(bits >> (have -= 8) & 0xff));
  }
  return true;
}

}  // namespace

Result<Users> Users::parse(string_view text) {
  Users users;
  std::size_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    const auto bad = [&](const std::string& why) { return wrong("line " + std::to_string(line_number) + ": " + why); };
    const auto colon = line.find(':');
    const auto name = line.substr(0, colon);
    if (colon == string_view::npos || name.empty() || name.size() > kMaxName || !http::all_are(name, http::chars::value)) {
      return bad("not user:hash");
    }
    const auto hash = line.substr(colon + 1, line.find(':', colon + 1) - colon - 1);
    const auto micros = cost_of(hash);
    if (!micros) return bad(micros.error().text);
    if (users.by_name_.size() == kMaxUsers) return bad("more than " + std::to_string(kMaxUsers) + " users");
    if (!users.by_name_.try_emplace(std::string(name), Entry{std::string(hash), *micros}).second) {
      return bad("that user is there twice");
    }
  }
  if (users.by_name_.empty()) return wrong("names no user");
  return users;
}

const Users::Entry* Users::find(string_view user) const {
  const auto found = by_name_.find(user);
  return found == by_name_.end() ? nullptr : &found->second;
}

bool read_basic(string_view authorization, Credentials& out) {
  constexpr string_view kScheme = "basic ";
  if (!http::istarts_with(authorization, kScheme)) return false;
  const auto encoded = http::trim(authorization.substr(kScheme.size()));
  std::string decoded;
  if (encoded.size() > (kMaxName + kMaxPassword) * 4 / 3 + 4 || !decode_base64(encoded, decoded)) return false;
  const auto colon = decoded.find(':');
  if (colon == std::string::npos || decoded.find('\0') != std::string::npos) return false;
  out.user = decoded.substr(0, colon);
  out.password = decoded.substr(colon + 1);
  return out.password.size() <= kMaxPassword;
}

}  // namespace fleet::route
