#include "probe.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <sys/un.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <tuple>

#include "child.hpp"
#include "os/listener_owner.hpp"

namespace fleet {
namespace {

namespace asio = net::asio;
using plan::ProbeOutcome;

constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr milliseconds kLate{250};  // a timer that comes later: we were stopped or starved, and so may what it waited for

enum class Timeout : std::uint8_t { none, passed, missed };

bool is_ours(const boost::system::error_code& error) {
  return error == asio::error::no_descriptors || error == boost::system::errc::too_many_files_open_in_system ||
         error == asio::error::no_memory || error == asio::error::no_buffer_space ||
         error == boost::system::errc::address_not_available;  // no port is left to connect from
}

asio::generic::stream_protocol::endpoint endpoint_of(const ProbeTarget& target) {
  if (!target.socket.empty()) return asio::local::stream_protocol::endpoint(target.socket);
  return asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), target.port);
}

ProbeReport broken(const boost::system::error_code& error, Timeout timeout, const HealthConfig& health) {
  if (timeout == Timeout::missed) return {ProbeOutcome::unasked, "fleetd was not there to hear an answer"};
  if (is_ours(error)) return {ProbeOutcome::unasked, "fleetd cannot ask: " + error.message()};
  if (timeout == Timeout::passed) return {ProbeOutcome::failed, "no answer within " + std::to_string(health.timeout.count()) + "ms"};
  if (error == asio::error::connection_refused) return {ProbeOutcome::refused, "nobody listens there"};
  if (error == boost::system::errc::no_such_file_or_directory) return {ProbeOutcome::refused, "the socket is not there"};
  if (error == asio::error::eof) return {ProbeOutcome::failed, "closed the connection without an answer"};
  if (error == asio::error::not_found) return {ProbeOutcome::failed, "answered with a head of more than 16 KiB"};
  return {ProbeOutcome::failed, error.message()};
}

// "HTTP/1.1 200 OK" -> 200; 0 when it is no status line.
int status_of(std::string_view head) {
  if (!head.starts_with("HTTP/1.") || head.size() < 12 || head[8] != ' ') return 0;
  int status = 0;
  for (const char digit : head.substr(9, 3)) {
    if (digit < '0' || digit > '9') return 0;
    status = status * 10 + (digit - '0');
  }
  return status;
}

std::string request_for(const ProbeTarget& target, bool keeps) {
  return "GET " + target.health.path + " HTTP/1.1\r\nHost: " + target.host +
         "\r\nUser-Agent: fleet-health/" FLEET_VERSION "\r\nAccept: */*\r\n" + (keeps ? "" : "Connection: close\r\n") +
         "\r\n";
}

// Of an answer whose head has so many bytes. The line is kept, if it can be.
ProbeReport report_of(const ProbeTarget& target, ProbeLine& line, std::size_t head, bool keeps) {
  const int status = status_of(line.heard());
  const bool passed = status >= 200 && status < 400;
  if (!passed || !keeps || !line.keep(head)) line.close();
  if (passed) return {ProbeOutcome::passed, ""};
  ProbeReport report;
  report.detail =
      status == 0 ? "did not answer in HTTP/1" : "GET " + target.health.path + " answered " + std::to_string(status);
  return report;
}

net::Task<ProbeReport> ask_and_wait(asio::io_context& io, ProbeTarget target, std::shared_ptr<ProbeLine> line) {
  const bool too_long = target.socket.size() >= sizeof(sockaddr_un::sun_path);
  if (too_long) co_return ProbeReport{ProbeOutcome::failed, "socket path too long"};
  const bool keeps = bool(line);
  if (!keeps) line = std::make_shared<ProbeLine>(io);
  // Shared with the timer's handler, which may run after this coroutine has ended.
  const auto timeout = std::make_shared<Timeout>(Timeout::none);
  net::Timer timer(io, target.health.timeout);
  timer.async_wait([line, timeout, due = timer.expiry()](boost::system::error_code error) {
    if (error) return;
    *timeout = net::Timer::clock_type::now() - due > kLate ? Timeout::missed : Timeout::passed;
    line->close();
  });
  for (bool asked = line->is_asked();; asked = false) {
    if (line->is_given_up()) co_return ProbeReport{ProbeOutcome::failed, ""};
    if (!asked) {
      line->close();
      line->heard().clear();
      auto [error] = co_await line->socket().async_connect(endpoint_of(target), net::use_result);
      if (!error && target.health.kind != HealthKind::tcp) {
        const auto request = request_for(target, keeps);
        std::tie(error, std::ignore) = co_await asio::async_write(line->socket(), asio::buffer(request), net::use_result);
      }
      if (error || target.health.kind == HealthKind::tcp) line->close();
      if (error) co_return broken(error, *timeout, target.health);
      if (target.health.kind == HealthKind::tcp) co_return ProbeReport{ProbeOutcome::passed, ""};
    }
    auto [error, head] = co_await asio::async_read_until(
        line->socket(), asio::dynamic_buffer(line->heard(), kMaxHead), kHeadEnd, net::use_result);
    if (!error) {
      auto report = report_of(target, *line, head, keeps);
      const bool may_be_old = asked && report.outcome != ProbeOutcome::passed && *timeout == Timeout::none;
      if (!may_be_old) co_return report;
      continue;
    }
    line->close();
    if (asked && line->heard().empty() && *timeout == Timeout::none) continue;
    co_return broken(error, *timeout, target.health);
  }
}

// Whoever answered may have taken the port before the instance could.
std::optional<uid_t> stranger_at(const ProbeTarget& target) {
  if (target.owners.empty() || !target.socket.empty()) return std::nullopt;
  for (const auto owner : os::listener_owners(target.port)) {
    if (std::ranges::find(target.owners, owner) == target.owners.end()) return owner;
  }
  return std::nullopt;
}

net::Task<ProbeReport> run_check(asio::io_context& io, ProbeTarget target) {
  os::Spawn spawn;
  spawn.argv = target.launch.argv;
  spawn.cwd = target.launch.cwd;
  spawn.confined = target.launch.confined;
  for (const auto& [key, value] : target.launch.env) spawn.env.push_back(key + "=" + value);
  auto status = co_await run_child(io, std::move(spawn), target.health.timeout);
  ProbeReport report;
  if (!status) {
    report.detail = "the check " + status.error().text;
  } else if (status->code != 0) {
    report.detail = "the check exited with code " + std::to_string(status->code);
  } else {
    report.outcome = ProbeOutcome::passed;
  }
  co_return report;
}

}  // namespace

net::Task<ProbeReport> probe(asio::io_context& io, ProbeTarget target, std::shared_ptr<ProbeLine> line) {
  ProbeReport report;
  if (target.health.kind == HealthKind::command) report = co_await run_check(io, target);
  else report = co_await ask_and_wait(io, target, std::move(line));
  const auto stranger = report.outcome == ProbeOutcome::passed ? stranger_at(target) : std::nullopt;
  if (stranger) {
    report.outcome = ProbeOutcome::failed;
    report.detail = "port " + std::to_string(target.port) + " is taken by a process of uid " + std::to_string(*stranger);
  }
  co_return report;
}

bool ask(const ProbeTarget& target, ProbeLine& line) { return line.say(request_for(target, true)); }

std::optional<ProbeReport> answer(const ProbeTarget& target, ProbeLine& line) {
  if (!line.hear() && line.heard().empty()) return std::nullopt;
  const auto end = line.heard().find(kHeadEnd);
  if (end == std::string::npos) return std::nullopt;
  auto report = report_of(target, line, end + kHeadEnd.size(), true);
  // What a server says as it closes an idle connection, 408 for example, may have come before it was asked.
  if (report.outcome != ProbeOutcome::passed) return std::nullopt;
  return report;
}

}  // namespace fleet
