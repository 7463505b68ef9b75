// A client of the public API over fleetd's unix socket or TCP, one connection a call. What it does, curl can do.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/result.hpp"
#include "net/task.hpp"

namespace fleet::ctl {

struct Address {
  std::string socket;  // path; or, if empty:
  bool tls = false;
  std::string host;  // name or address, IPv6 without brackets
  std::string port = "7070";
  std::string token;    // empty: none
  std::string ca_file;  // trusted besides the system's; empty: none
};

// "https://build-7:7070", "http://127.0.0.1:7070". Plain http only to loopback: a token is not for the network to read.
Result<Address> parse_url(const std::string& url);

struct Reply {
  unsigned status = 0;
  std::string body;
};

class Client {
 public:
  Client(net::asio::io_context& io, Address address) : io_(io), address_(std::move(address)) {}

  // The answer, whatever its status. Error `unreachable`: nobody answers there, or the answer broke off.
  net::Task<Result<Reply>> call(std::string method, std::string target, std::string body = {});

  // A stream: `line` gets each line of NDJSON as it comes. The answer comes at the end, its body empty; a status other
  // than 200 comes at once, with its body.
  net::Task<Result<Reply>> follow(std::string target, std::function<void(const std::string&)> line);

  // For each part of an answer, in place of a minute.
  void wait_for_answers(std::chrono::milliseconds time) { answer_time_ = time; }

  net::asio::io_context& context() { return io_; }
  const Address& address() const { return address_; }

 private:
  net::asio::io_context& io_;
  Address address_;
  std::chrono::milliseconds answer_time_{60'000};  // fleetd's heartbeats come every 15 s
};

}  // namespace fleet::ctl
