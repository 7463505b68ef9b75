#include "ask.hpp"

#include "api/views.hpp"

namespace fleet::ctl {

Error error_of(const Reply& reply) {
  const auto document = json::Json::parse(reply.body, nullptr, false);
  api::Problem problem;
  if (document.is_object() && json::read(document, problem)) return {problem.kind, problem.detail};
  return {ErrorKind::internal, "unexpected answer from fleetd: status " + std::to_string(reply.status)};
}

Result<json::Json> parsed(const Reply& reply) {
  auto document = json::Json::parse(reply.body, nullptr, false);
  if (document.is_discarded()) return fail("unexpected answer from fleetd: not JSON");
  return document;
}

net::Task<Result<Reply>> ask(Client& client, std::string method, std::string target, std::string body) {
  auto reply = co_await client.call(std::move(method), std::move(target), std::move(body));
  if (reply && reply->status / 100 != 2) co_return std::unexpected(error_of(*reply));
  co_return reply;
}

}  // namespace fleet::ctl
