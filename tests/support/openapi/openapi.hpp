// Holds answers of the API to openapi.json: as much of JSON Schema as that file uses, and stricter in one thing:
// properties that it does not name are wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"

namespace fleet::test {

class OpenApi {
 public:
  OpenApi();  // reads the file; a broken one ends the test program

  const json::Json& document() const { return document_; }
  const json::Json& schema(const std::string& name) const;  // of components

  // What is wrong with a value, one line each: "Status/apps/0/state: not one of its names".
  std::vector<std::string> check(const std::string& schema_name, const json::Json& value) const;

  // What is wrong with a whole answer to `method target`, streams (NDJSON, server-sent events) by their pieces.
  std::vector<std::string> check_answer(std::string_view method, std::string_view target, int status,
                                        std::string_view content_type, std::string_view body) const;

 private:
  const json::Json& resolve(const json::Json& schema) const;
  void check(const json::Json& schema, const json::Json& value, const std::string& where,
             std::vector<std::string>& wrong) const;
  const json::Json* operation(std::string_view method, std::string_view target) const;
  json::Json document_;
};

}  // namespace fleet::test
