#include "s3_double.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <sstream>

#include "archives.hpp"

namespace fleet::test {
namespace {

std::string hmac(const std::string& key, const std::string& text) {
  std::string out(32, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  }
  return out;
}

// What stands between `name` and the next comma.
std::string part(const std::string& authorization, const std::string& name) {
  const auto at = authorization.find(name);
  if (at == authorization.npos) return {};
  const auto from = at + name.size();
  return authorization.substr(from, authorization.find(',', from) - from);
}

}  // namespace

S3Double::S3Double(std::string key_id, std::string secret, std::map<std::string, std::string> objects)
    : key_id_(std::move(key_id)),
      secret_(std::move(secret)),
      objects_(std::move(objects)),
      server_([this](const Request& request, Connection& to) { answer(request, to); }) {}

bool S3Double::is_signed(const Request& request) const {
  const auto field = [&](const std::string& name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
  };
  const auto authorization = field("authorization");
  const auto credential = part(authorization, "Credential="), names = part(authorization, "SignedHeaders=");
  std::istringstream fields(credential);
  std::string id, day, region, service;
  std::getline(fields, id, '/'), std::getline(fields, day, '/'), std::getline(fields, region, '/');
  std::getline(fields, service, '/');
  if (id != key_id_ || service != "s3" || names.find("host") == names.npos) return false;
  std::string canonical = "GET\n" + request.path + "\n\n";
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ';');) canonical += name + ":" + field(name) + "\n";
  canonical += "\n" + names + "\n" + field("x-amz-content-sha256");
  const auto scope = day + "/" + region + "/s3/aws4_request";
  const auto text = "AWS4-HMAC-SHA256\n" + field("x-amz-date") + "\n" + scope + "\n" + sha256_of(canonical);
  const auto key = hmac(hmac(hmac(hmac("AWS4" + secret_, day), region), "s3"), "aws4_request");
  return part(authorization, "Signature=") == hex(hmac(key, text));
}

void S3Double::answer(const Request& request, Connection& to) const {
  const auto object = objects_.find(request.path);
  const bool is_public = request.path.starts_with("/public-");
  if (!is_public && !is_signed(request)) return to.answer("403 Forbidden", "<Error><Code>SignatureDoesNotMatch</Code></Error>");
  if (object == objects_.end()) return to.answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>");
  to.answer("200 OK", object->second, "ETag: \"" + sha256_of(object->second) + "\"\r\n");
}

}  // namespace fleet::test
