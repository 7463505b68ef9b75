// A store that speaks S3 as far as a GET of an object goes: it checks the signature (AWS Signature Version 4) with its
// own computation, and answers 403 when it is another.
#pragma once

#include <map>
#include <string>

#include "server.hpp"

namespace fleet::test {

class S3Double {
 public:
  // `objects`: by "/BUCKET/KEY", as it travels.
  S3Double(std::string key_id, std::string secret, std::map<std::string, std::string> objects);

  std::string endpoint() const { return server_.url(""); }
  std::vector<Request> requests() const { return server_.requests(); }

 private:
  void answer(const Request& request, Connection& to) const;
  bool is_signed(const Request& request) const;

  std::string key_id_, secret_;
  std::map<std::string, std::string> objects_;
  Server server_;
};

}  // namespace fleet::test
