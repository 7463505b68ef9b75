#include "fetch_job.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "os/users.hpp"
#include "secrets.hpp"

namespace fleet {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<> add_s3(const FetchConfig& config, wire::S3Access& access) {
  access.endpoint = config.s3_endpoint;
  access.region = config.s3_region;
  if (config.s3_credentials_file.empty()) {
    access.key_id = variable("AWS_ACCESS_KEY_ID");
    access.secret = variable("AWS_SECRET_ACCESS_KEY");
    access.session_token = variable("AWS_SESSION_TOKEN");
    return {};
  }
  TRY(const auto file, read_secret_file(config.s3_credentials_file));
  read_s3_credentials(file, access);
  if (!access.key_id.empty() && !access.secret.empty()) return {};
  return fail(ErrorKind::usage, config.s3_credentials_file + ": no aws_access_key_id or no aws_secret_access_key");
}

// A name that is not configured may be missing.
Result<Identity> fetch_identity(const std::string& configured) {
  if (!configured.empty()) return os::identity_of(configured, "");
  for (const auto* usual : {"fleet-fetch", "nobody"}) {
    if (auto found = os::identity_of(usual, "")) return found;
  }
  constexpr std::uint32_t kNobody = 65534;
  return Identity{kNobody, kNobody, {}};
}

}  // namespace

Result<> confine_fetch(const Config& config, bool remote, wire::FetchJob& job) {
  job.rooted = remote || !config.file_roots.empty();
  job.roots = config.file_roots;
  if (::geteuid() != 0) return {};
  auto identity = fetch_identity(config.fetch_user);
  if (!identity) return fail(ErrorKind::usage, "fetch_user: " + identity.error().text);
  job.uid = identity->uid;
  job.gid = identity->gid;
  return {};
}

void read_s3_credentials(std::string_view file, wire::S3Access& access) {
  const std::array<std::pair<std::string_view, std::string*>, 3> wanted{{{"aws_access_key_id", &access.key_id},
                                                                         {"aws_secret_access_key", &access.secret},
                                                                         {"aws_session_token", &access.session_token}}};
  while (!file.empty()) {
    const auto end = std::min(file.find('\n'), file.size());
    const auto line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    const auto equals = std::min(line.find('='), line.size());
    for (const auto& [name, value] : wanted) {
      if (trimmed(line.substr(0, equals)) == name && value->empty() && equals < line.size()) {
        *value = trimmed(line.substr(equals + 1));
      }
    }
  }
}

Result<wire::FetchJob> fetch_job(const FetchConfig& config, const std::string& url) {
  wire::FetchJob job;
  job.url = url;
  job.max_download = config.max_download;
  job.max_unpacked = config.max_unpacked;
  job.max_entries = config.max_entries;
  job.max_depth = config.max_depth;
  job.max_ratio = config.max_ratio;
  job.timeout = config.timeout;
  job.stall_timeout = config.stall_timeout;
  job.trusted_keys = config.trusted_keys;
  job.allow_insecure = config.allow_insecure;
  job.unpack_java = config.unpack;
  if (!config.authorization_file.empty()) {
    TRY(const auto file, read_secret_file(config.authorization_file));
    job.authorization = trimmed(file);
    if (job.authorization.empty() || job.authorization.find_first_of("\r\n\0", 0, 3) != std::string::npos) {
      return fail(ErrorKind::usage, config.authorization_file + ": not one line with a header's value");
    }
  }
  if (!config.netrc.empty()) {
    TRY(job.netrc, read_secret_file(config.netrc));
  }
  if (url.starts_with("s3://") || config.source.starts_with("s3://")) TRYV(add_s3(config, job.s3));
  return job;
}

}  // namespace fleet
