#include "client.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cerrno>

#include "os/unix_socket.hpp"

namespace fleet::ctl {
namespace {

namespace http = boost::beast::http;
namespace ssl = net::asio::ssl;
using net::use_result;
using Socket = net::asio::basic_stream_socket<net::asio::generic::stream_protocol, net::Executor>;
using Line = std::function<void(const std::string&)>;

constexpr std::chrono::seconds kConnectTime{10};
constexpr std::uint64_t kMaxAnswer = 64u << 20;  // bytes of one answer; a stream has no limit
constexpr std::size_t kMaxLine = 1u << 20;

bool is_this_machine(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "localhost" || host == "::1";
}

struct Addresses {
  addrinfo* list = nullptr;
  ~Addresses() {
    if (list) ::freeaddrinfo(list);
  }
};

// Blocks: fleetctl has nothing else to do.
Result<os::Fd> connect_tcp(const Address& address) {
  const std::string where = address.host + ":" + address.port;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  Addresses found;
  if (const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found.list); error != 0) {
    return fail(ErrorKind::unreachable, "cannot resolve " + where + ": " + ::gai_strerror(error));
  }
  int last = ECONNREFUSED;
  for (const addrinfo* one = found.list; one; one = one->ai_next) {
    os::Fd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{kConnectTime.count(), 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) return fd;
    last = errno == EINPROGRESS ? ETIMEDOUT : errno;
  }
  auto error = fail_errno("cannot connect to " + where, last);
  error.error().kind = ErrorKind::unreachable;
  return error;
}

Result<os::Fd> open_socket(const Address& address) {
  return address.socket.empty() ? connect_tcp(address) : os::connect_unix(address.socket);
}

Error broken(const boost::system::error_code& error) {
  return {ErrorKind::unreachable, "no answer from fleetd: " + error.message()};
}

// Closes the socket when its time is over.
class Watchdog {
 public:
  Watchdog(net::asio::io_context& io, std::shared_ptr<Socket> socket, std::chrono::milliseconds time)
      : socket_(std::move(socket)), timer_(io), time_(time) {}
  void arm() {
    timer_.expires_after(time_);
    timer_.async_wait([weak = std::weak_ptr(socket_)](boost::system::error_code error) {
      boost::system::error_code ignored;
      const auto socket = weak.lock();
      if (!error && socket) socket->close(ignored);
    });
  }

 private:
  std::shared_ptr<Socket> socket_;
  net::Timer timer_;
  std::chrono::milliseconds time_;
};

http::request<http::string_body> request_for(const Address& address, const std::string& method,
                                             const std::string& target, std::string body) {
  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  const bool v6 = address.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + address.host + "]" : address.host;
  request.set(http::field::host, address.socket.empty() ? host + ":" + address.port : "localhost");
  request.set(http::field::user_agent, "fleetctl/" FLEET_VERSION);
  request.set(http::field::accept, "application/x-ndjson, application/json");
  if (!address.token.empty()) request.set(http::field::authorization, "Bearer " + address.token);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

void take_lines(std::string& pending, const Line& line) {
  for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
    if (end != 0) line(pending.substr(0, end));  // an empty one is a heartbeat
    pending.erase(0, end + 1);
  }
}

// `line` empty: a whole answer.
template <class Stream>
net::Task<Result<Reply>> exchange(Stream& stream, Watchdog& watchdog, http::request<http::string_body> request,
                                  Line line) {
  watchdog.arm();
  auto [write_error, written] = co_await http::async_write(stream, request, use_result);
  if (write_error) co_return std::unexpected(broken(write_error));
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(line ? std::numeric_limits<std::uint64_t>::max() : kMaxAnswer);
  auto [head_error, head_size] = co_await http::async_read_header(stream, buffer, parser, use_result);
  if (head_error) co_return std::unexpected(broken(head_error));
  Reply reply;
  reply.status = parser.get().result_int();
  const bool streams = line && reply.status == 200;
  while (!parser.is_done()) {
    watchdog.arm();
    auto [error, size] = co_await http::async_read_some(stream, buffer, parser, use_result);
    if (error) co_return std::unexpected(broken(error));
    if (!streams) continue;
    take_lines(parser.get().body(), line);
    if (parser.get().body().size() > kMaxLine) co_return fail("malformed stream from fleetd: line too long");
  }
  reply.body = std::move(parser.get().body());
  co_return reply;
}

net::Task<Result<Reply>> exchange_tls(std::shared_ptr<Socket> socket, Watchdog& watchdog, Address address,
                                      http::request<http::string_body> request, Line line) {
  ssl::context context(ssl::context::tls_client);
  boost::system::error_code ignored;
  context.set_default_verify_paths(ignored);
  if (!address.ca_file.empty()) {
    boost::system::error_code error;
    context.load_verify_file(address.ca_file, error);
    if (error)
      co_return fail(ErrorKind::usage, "cannot read certificates: " + address.ca_file + ": " + error.message());
  }
  ssl::stream<Socket&> stream(*socket, context);
  stream.set_verify_mode(ssl::verify_peer, ignored);
  stream.set_verify_callback(ssl::host_name_verification(address.host), ignored);
  ::SSL_set_tlsext_host_name(stream.native_handle(), address.host.c_str());
  watchdog.arm();
  auto [error] = co_await stream.async_handshake(ssl::stream_base::client, use_result);
  if (error) co_return fail(ErrorKind::unreachable, "cannot speak TLS with " + address.host + ": " + error.message());
  auto reply = co_await exchange(stream, watchdog, std::move(request), std::move(line));
  co_return reply;
}

net::Task<Result<Reply>> ask(net::asio::io_context& io, Address address, std::string method, std::string target,
                             std::string body, Line line, std::chrono::milliseconds answer_time) {
  CO_TRY(os::Fd fd, open_socket(address));
  const int family = address.socket.empty() ? AF_INET : AF_UNIX;
  auto socket = std::make_shared<Socket>(io, net::asio::generic::stream_protocol(family, 0), fd.release());
  Watchdog watchdog(io, socket, answer_time);
  auto request = request_for(address, method, target, std::move(body));
  if (address.tls) {
    auto reply = co_await exchange_tls(socket, watchdog, std::move(address), std::move(request), std::move(line));
    co_return reply;
  }
  auto reply = co_await exchange(*socket, watchdog, std::move(request), std::move(line));
  co_return reply;
}

}  // namespace

Result<Address> parse_url(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || (parsed->scheme() != "http" && parsed->scheme() != "https") || parsed->host().empty()) {
    return fail(ErrorKind::usage, "not an http or https URL: " + url);
  }
  Address address;
  address.tls = parsed->scheme() == "https";
  address.host = parsed->host_address();
  if (parsed->has_port()) address.port = parsed->port();
  if (!address.tls && !is_this_machine(address.host)) {
    return fail(ErrorKind::usage, "plain http only to this machine: " + url + " (use https)");
  }
  return address;
}

net::Task<Result<Reply>> Client::call(std::string method, std::string target, std::string body) {
  return ask(io_, address_, std::move(method), std::move(target), std::move(body), {}, answer_time_);
}

net::Task<Result<Reply>> Client::follow(std::string target, std::function<void(const std::string&)> line) {
  return ask(io_, address_, "GET", std::move(target), {}, std::move(line), answer_time_);
}

}  // namespace fleet::ctl
