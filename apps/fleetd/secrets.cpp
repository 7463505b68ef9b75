#include "secrets.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "config/values.hpp"
#include "os/atomic_file.hpp"
#include "os/fd.hpp"

namespace fleet {
namespace {

constexpr std::size_t kLargest = 64u << 10, kKey = 32, kDigestDigits = 16;
constexpr std::string_view kSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// Why the file is not one to trust; empty: it is.
std::string flaw(const struct stat& is) {
  if (!S_ISREG(is.st_mode)) return "not a file";
  if (is.st_uid != 0 && is.st_uid != ::geteuid()) {
    return "belongs to uid " + std::to_string(is.st_uid) + " (it must be root's or fleetd's own)";
  }
  if ((is.st_mode & S_IRWXO) != 0) return "is open to everybody (chmod o-rwx)";
  if ((is.st_mode & S_IWGRP) != 0) return "its group may write it (chmod g-w)";
  if ((is.st_mode & S_IRGRP) != 0 && is.st_gid != 0 && is.st_gid != ::getegid()) {
    return "group " + std::to_string(is.st_gid) + " may read it (chmod g-r)";
  }
  if (static_cast<std::size_t>(is.st_size) > kLargest) return "has more than 64 KiB";
  return "";
}

Result<std::string> source_path(const std::string& source) {
  const auto credential = config::credential_name(source);
  if (!credential) return source;
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder) return std::string(folder) + "/" + std::string(*credential);
  return fail(ErrorKind::usage, "credential \"" + std::string(*credential) +
                                    "\": systemd has given fleetd none (see LoadCredential= in systemd.exec(5))");
}

Result<std::string> read_value(const std::string& source) {
  TRY(const auto path, source_path(source));
  TRY(auto text, read_secret_file(path));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.find('\0') != std::string::npos) return fail(ErrorKind::usage, path + ": has a NUL");
  return text;
}

// Made when there is none yet.
Result<std::string> digest_key(const Paths& paths) {
  auto key = os::read_file(paths.environment_key(), kKey);
  if (key && key->size() == kKey) return key;
  std::string fresh(kKey, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(fresh.data()), static_cast<int>(fresh.size())) != 1)
    return fail("no random bytes");
  TRYV(os::write_file(paths.environment_key(), fresh, 0600));
  return fresh;
}

}  // namespace

Result<std::string> read_secret_file(const std::string& path) {
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const auto not_readable = [&](int error) {
    auto failed = fail_errno(path, error);
    failed.error().kind = ErrorKind::usage;
    return failed;
  };
  if (!fd) return not_readable(errno);
  struct stat is {};
  if (::fstat(fd.get(), &is) != 0) return not_readable(errno);
  if (const auto wrong = flaw(is); !wrong.empty()) return fail(ErrorKind::usage, path + ": " + wrong);
  std::string text(kLargest + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto n = ::read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0) return not_readable(errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > kLargest) return fail(ErrorKind::usage, path + ": has more than 64 KiB");
  text.resize(size);
  return text;
}

Result<std::map<std::string, std::string>> parse_env_file(std::string_view text) {
  std::map<std::string, std::string> env;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const auto at_line = [&](const char* what) {
      return fail(ErrorKind::usage, "line " + std::to_string(number) + ": " + what);
    };
    const auto equals = line.find('=');
    const auto name = trimmed(line.substr(0, equals));
    if (equals == std::string_view::npos || !config::is_variable_name(name)) return at_line("not NAME=VALUE");
    if (config::is_own_variable(name)) return at_line("the variable is set by fleet itself");
    auto value = trimmed(line.substr(equals + 1));
    if (value.find('\0') != std::string_view::npos) return at_line("has a NUL");
    const bool quoted =
        value.size() >= 2 && value.front() == value.back() && (value.front() == '"' || value.front() == '\'');
    if (quoted) value = value.substr(1, value.size() - 2);
    env[std::string(name)] = value;
  }
  return env;
}

Result<std::map<std::string, std::string>> read_secrets(const AppConfig& app) {
  std::map<std::string, std::string> env;
  if (!app.env_file.empty()) {
    const auto read = [&]() -> Result<std::map<std::string, std::string>> {
      TRY(const auto text, read_secret_file(app.env_file));
      auto parsed = parse_env_file(text);
      if (!parsed) return std::unexpected(std::move(parsed.error()).in(app.env_file));
      return parsed;
    };
    auto all = read();
    if (!all) return std::unexpected(std::move(all.error()).in("env_file"));
    env = std::move(*all);
  }
  for (const auto& [name, source] : app.secrets) {
    auto value = read_value(source);
    if (!value) return std::unexpected(std::move(value.error()).in("secrets." + name));
    env[name] = std::move(*value);
  }
  return env;
}

Result<std::string> environment_digest(const Paths& paths, const AppConfig& app) {
  auto env = app.env;
  TRY(auto secrets, read_secrets(app));
  for (auto& [name, value] : secrets) env[name] = std::move(value);
  std::string all;
  for (const auto& [name, value] : env) all.append(name).append("=").append(value).push_back('\0');
  TRY(const auto key, digest_key(paths));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(all.data()),
            all.size(), digest, &size)) {
    return fail("cannot make the digest of an environment");
  }
  std::string hex;
  for (unsigned i = 0; i < kDigestDigits / 2; ++i)
    hex += "0123456789abcdef"[digest[i] >> 4], hex += "0123456789abcdef"[digest[i] & 15];
  return hex;
}

}  // namespace fleet
