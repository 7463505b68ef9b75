// What fleet-fetch is told of an app's build: the app's settings, and the secrets that they name.
#pragma once

#include <string>

#include "core/config.hpp"
#include "core/result.hpp"
#include "wire/messages.hpp"

namespace fleet {

// Files of secrets are read afresh. Errors: usage, naming the file that is not there, or that everybody can read.
Result<wire::FetchJob> fetch_job(const FetchConfig& config, const std::string& url);

// Who fetches, and which local files it may have. `remote`: asked for from another machine. Errors: usage, no such user.
Result<> confine_fetch(const Config& config, bool remote, wire::FetchJob& job);

// From "aws_access_key_id = ID" and the like, as in the file that the tools of AWS have; the first of each counts.
void read_s3_credentials(std::string_view file, wire::S3Access& access);

}  // namespace fleet
