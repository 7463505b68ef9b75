// Calls of the API whose answers are values or errors.
#pragma once

#include <string>

#include "client.hpp"
#include "core/json.hpp"

namespace fleet::ctl {

// The error that an answer other than 2xx tells of (a problem document, or none).
Error error_of(const Reply& reply);

Result<json::Json> parsed(const Reply& reply);

template <class T>
Result<T> value_of(const Reply& reply) {
  TRY(const auto document, parsed(reply));
  T value;
  if (auto read = json::read(document, value); !read) {
    return fail("unexpected answer from fleetd: " + read.error().text + " (is it of another version?)");
  }
  return value;
}

// The body of a 2xx answer.
net::Task<Result<Reply>> ask(Client& client, std::string method, std::string target, std::string body = {});

template <class T>
net::Task<Result<T>> ask_for(Client& client, std::string method, std::string target, std::string body = {}) {
  auto reply = co_await ask(client, std::move(method), std::move(target), std::move(body));
  if (!reply) co_return std::unexpected(reply.error());
  co_return value_of<T>(*reply);
}

}  // namespace fleet::ctl
