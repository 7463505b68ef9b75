// Who may pass basic authentication: the lines of an htpasswd file.
//
// Passwords are verified on the worker's only thread, so a hash may cost at most about 10 ms: SHA-256-crypt and
// SHA-512-crypt ($5$, $6$) up to 20,000 rounds, bcrypt ($2y$, $2b$, $2a$) up to cost 7. What is quick to guess (MD5, SHA-1,
// DES, plain text) is refused too, and yescrypt, which wants memory.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace fleet::route {

class Users {
 public:
  struct Entry {
    std::string hash;          // as crypt(3) takes it for a setting
    std::uint32_t micros = 0;  // what verifying costs, about
  };

  // "user:hash" lines, empty ones and those that begin with # aside. Errors (usage) name the line.
  static Result<Users> parse(std::string_view text);

  const Entry* find(std::string_view user) const;
  // Whose hash is computed for a name that is not there, so that the time taken does not tell.
  const Entry& anyone() const { return by_name_.begin()->second; }

 private:
  std::map<std::string, Entry, std::less<>> by_name_;  // never empty
};

struct Credentials {
  std::string user, password;
};
// Of an Authorization field; nothing when it is not well-formed Basic, or has a password over 256 bytes.
bool read_basic(std::string_view authorization, Credentials& out);

}  // namespace fleet::route
