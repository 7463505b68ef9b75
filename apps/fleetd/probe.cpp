#include "probe.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <sys/un.h>

#include <memory>
#include <tuple>

#include "child.hpp"

namespace fleet {
namespace {

namespace asio = net::asio;
using plan::ProbeOutcome;

constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr milliseconds kBetweenGatherings{10};

asio::generic::stream_protocol::endpoint endpoint_of(const ProbeTarget& target) {
  if (!target.socket.empty()) return asio::local::stream_protocol::endpoint(target.socket);
  return asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), target.port);
}

ProbeReport broken(const boost::system::error_code& error, bool timed_out, const HealthConfig& health) {
  if (timed_out) return {ProbeOutcome::failed, "no answer within " + std::to_string(health.timeout.count()) + "ms"};
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

struct Answer {
  boost::system::error_code error;
  std::string bytes;
  std::size_t head = 0;  // bytes of it, with the blank line
};

// When answers on kept connections are looked at: at moments that all probes share, as each of hundreds would else wake
// this process when it comes.
net::Timer::time_point next_gathering(milliseconds timeout) {
  const auto grid = std::min<net::Timer::duration>(kBetweenGatherings, timeout / 4);
  const auto now = std::chrono::steady_clock::now();
  return now - now.time_since_epoch() % grid + 2 * grid;
}

net::Task<Answer> exchange(asio::io_context& io, std::shared_ptr<ProbeLine> line, std::string request, bool reused,
                           milliseconds timeout) {
  Answer answer;
  if (reused) {
    answer.error = asio::error::eof;
    if (!line->say(request)) co_return answer;
    net::Timer gathering(io, next_gathering(timeout));
    (void)co_await gathering.async_wait(net::use_result);
    const bool goes_on = line->hear(answer.bytes);
    const auto end = answer.bytes.find(kHeadEnd);
    const bool complete = end != std::string::npos;
    if (complete) answer.head = end + kHeadEnd.size();
    if (complete || goes_on) answer.error = {};
    if (complete || !goes_on) co_return answer;
  } else {
    std::tie(answer.error, std::ignore) = co_await asio::async_write(line->socket(), asio::buffer(request), net::use_result);
    if (answer.error) co_return answer;
  }
  std::tie(answer.error, answer.head) = co_await asio::async_read_until(
      line->socket(), asio::dynamic_buffer(answer.bytes, kMaxHead), kHeadEnd, net::use_result);
  co_return answer;
}

std::string request_for(const ProbeTarget& target, bool keeps) {
  return "GET " + target.health.path + " HTTP/1.1\r\nHost: " + target.host +
         "\r\nUser-Agent: fleet-health/" FLEET_VERSION "\r\nAccept: */*\r\n" + (keeps ? "" : "Connection: close\r\n") +
         "\r\n";
}

net::Task<ProbeReport> ask(asio::io_context& io, ProbeTarget target, std::shared_ptr<ProbeLine> line) {
  const bool too_long = target.socket.size() >= sizeof(sockaddr_un::sun_path);
  if (too_long) co_return ProbeReport{ProbeOutcome::failed, "socket path too long"};
  const bool only_once = !line;
  if (only_once) line = std::make_shared<ProbeLine>(io);
  // Shared with the timer's handler, which may run after this coroutine has ended.
  const auto timed_out = std::make_shared<bool>(false);
  net::Timer timer(io, target.health.timeout);
  timer.async_wait([line, timed_out](boost::system::error_code error) {
    if (error) return;
    *timed_out = true;
    line->close();
  });
  for (bool reused = line->take_up();; reused = false) {
    if (line->is_given_up()) co_return ProbeReport{ProbeOutcome::failed, ""};
    if (!reused) {
      auto [error] = co_await line->socket().async_connect(endpoint_of(target), net::use_result);
      if (error) line->close();
      if (error) co_return broken(error, *timed_out, target.health);
    }
    if (target.health.kind == HealthKind::tcp) {
      line->close();
      co_return ProbeReport{ProbeOutcome::passed, ""};
    }
    const bool keeps = !line->count() && !only_once;
    auto answer = co_await exchange(io, line, request_for(target, keeps), reused, target.health.timeout);
    if (answer.error) {
      line->close();
      if (reused && answer.bytes.empty() && !*timed_out) continue;
      co_return broken(answer.error, *timed_out, target.health);
    }
    const int status = status_of(answer.bytes);
    const bool passed = status >= 200 && status < 400;
    const auto head = std::string_view(answer.bytes).substr(0, answer.head);
    if (!passed || !keeps || !line->keep(head, std::string_view(answer.bytes).substr(answer.head))) line->close();
    if (passed) co_return ProbeReport{ProbeOutcome::passed, ""};
    ProbeReport report;
    report.detail =
        status == 0 ? "did not answer in HTTP/1" : "GET " + target.health.path + " answered " + std::to_string(status);
    co_return report;
  }
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
  if (target.health.kind == HealthKind::command) return run_check(io, std::move(target));
  return ask(io, std::move(target), std::move(line));
}

}  // namespace fleet
