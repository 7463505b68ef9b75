// All that the API can be asked, as one table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "api/backend.hpp"
#include "api/gate.hpp"
#include "api/http.hpp"

namespace fleet::api {

enum class Access {
  everyone,   // no token needed
  operators,  // a local operator, or the token
};

using Handler = net::Task<Result<Response>> (*)(Backend&, Request);

struct Route {
  std::string_view method, path;  // "/v1/apps/{app}/rollback"
  Access access;
  Handler handler;
};

std::span<const Route> routes();

// Decides by the head of the request, before its body is read. Fills in the head's params, query and peer's rights.
struct Admission {
  const Route* route = nullptr;
  std::optional<Response> refusal;  // if there is no route
};
Admission admit(Request& head, const Policy& policy);

// The answer, errors as problem documents.
net::Task<Response> answer(Backend& backend, const Route& route, Request request);

}  // namespace fleet::api
