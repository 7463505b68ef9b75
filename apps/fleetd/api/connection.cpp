#include "api/connection.hpp"

#include <sys/socket.h>

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "api/routes.hpp"

namespace fleet::api {
namespace {

namespace http = boost::beast::http;
using boost::beast::flat_buffer;
using net::use_result;
using Head = http::response<http::empty_body>;

constexpr std::uint32_t kMaxHead = 16 << 10;
constexpr std::uint64_t kMaxBody = 1 << 20;

std::string field(const http::fields& fields, http::field name) { return std::string(fields[name]); }

Request head_of(const http::request<http::string_body>& message, const Peer& peer) {
  Request head;
  head.peer = peer;
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.host = field(message, http::field::host);
  head.origin = field(message, http::field::origin);
  head.authorization = field(message, http::field::authorization);
  head.accept = field(message, http::field::accept);
  head.content_type = field(message, http::field::content_type);
  head.last_event_id = std::string(message["Last-Event-ID"]);
  return head;
}

template <class Message>
void set_fields(Message& message, const Response& response) {
  message.set(http::field::server, "fleetd");
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  if (!response.allow.empty()) message.set(http::field::allow, response.allow);
  if (response.challenge) message.set(http::field::www_authenticate, "Bearer realm=\"fleet\"");
}

Response unreadable(boost::system::error_code error) {
  if (error == http::error::body_limit) {
    return problem({ErrorKind::usage, "request body: longer than 1 MiB"}, {}, 413);
  }
  if (error == http::error::header_limit) return problem({ErrorKind::usage, "request head: too long"}, {}, 431);
  return problem({ErrorKind::usage, "malformed request: " + error.message()});
}

// True where the peer sent something that is no HTTP, rather than nothing more.
bool deserves_answer(boost::system::error_code error) {
  return error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

// Stops a stream when its client hangs up, of which a writer that waits for news would not hear.
void watch_for_hang_up(const std::shared_ptr<Link>& link, const std::shared_ptr<Source>& source) {
  link->socket.async_wait(Socket::wait_read, [link, source](boost::system::error_code error) {
    char byte;
    const bool gone = error || ::recv(link->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
    if (gone) source->stop();
  });
}

template <class Stream>
class Session {
 public:
  Session(std::shared_ptr<Link> link, Stream& stream, Backend& backend, const Policy& policy, Peer peer, Limits limits)
      : link_(std::move(link)),
        stream_(stream),
        backend_(backend),
        policy_(policy),
        peer_(std::move(peer)),
        limits_(limits) {}

  net::Task<> run() {
    bool more = true;
    while (more) more = co_await exchange();
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  // One request and its answer; false when the connection is to end.
  net::Task<bool> exchange() {
    Parser parser;
    parser.header_limit(kMaxHead);
    parser.body_limit(kMaxBody);
    Link::arm(link_, limits_.read);
    auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, use_result);
    if (error) {
      if (!deserves_answer(error)) co_return false;
      Response refusal = unreadable(error);
      co_return co_await write(std::move(refusal), 11, false);
    }
    Request request = head_of(parser.get(), peer_);
    request.has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
    const unsigned version = parser.get().version();
    Admission admission = admit(request, policy_);
    if (!admission.route) {
      if (admission.refusal->challenge) co_await pause(limits_.wrong_token);
      co_return co_await write(std::move(*admission.refusal), version, false);
    }
    auto refusal = co_await read_body(parser);
    if (refusal) co_return co_await write(std::move(*refusal), version, false);
    const bool keep = parser.get().keep_alive();
    request.body = std::move(parser.get().body());
    link_->disarm();
    Response response = co_await answer(backend_, *admission.route, std::move(request));
    if (response.source) {
      co_await stream_out(std::move(response), version);
      co_return false;
    }
    co_return co_await write(std::move(response), version, keep);
  }

  // What is wrong with it, if anything; a broken connection shows at the answer.
  net::Task<std::optional<Response>> read_body(Parser& parser) {
    if (boost::beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      Head go_on(http::status::continue_, parser.get().version());
      auto [error, size] = co_await http::async_write(stream_, go_on, use_result);
      if (error) co_return unreadable(error);
    }
    auto [error, size] = co_await http::async_read(stream_, buffer_, parser, use_result);
    if (error) co_return unreadable(error);
    co_return std::nullopt;
  }

  // True if the connection may carry another exchange.
  net::Task<bool> write(Response response, unsigned version, bool keep) {
    http::response<http::string_body> message(static_cast<http::status>(response.status), version);
    set_fields(message, response);
    message.keep_alive(keep);
    message.body() = std::move(response.body);
    message.prepare_payload();
    Link::arm(link_, limits_.write);
    auto [error, size] = co_await http::async_write(stream_, message, use_result);
    if (response.afterwards) response.afterwards();
    co_return !error && keep;
  }

  net::Task<> stream_out(Response response, unsigned version) {
    Head message(http::status::ok, version);
    set_fields(message, response);
    const bool chunked = version >= 11;  // HTTP/1.0: to the end of the connection
    message.chunked(chunked);
    message.keep_alive(false);
    http::response_serializer<http::empty_body> serializer(message);
    Link::arm(link_, limits_.write);
    auto [error, size] = co_await http::async_write_header(stream_, serializer, use_result);
    if (error) co_return;
    link_->streams = true;
    watch_for_hang_up(link_, response.source);
    for (bool open = true; open;) {
      link_->disarm();
      auto piece = co_await response.source->next();
      Link::arm(link_, limits_.write);
      if (!piece) break;
      open = co_await write_piece(std::move(*piece), chunked);
    }
    if (chunked) {
      const auto last = http::make_chunk_last();
      co_await net::asio::async_write(stream_, last, use_result);
    }
  }

  net::Task<bool> write_piece(std::string piece, bool chunked) {
    const auto bytes = net::asio::buffer(piece);
    const auto chunk = http::make_chunk(bytes);
    boost::system::error_code error;
    if (chunked) {
      std::tie(error, std::ignore) = co_await net::asio::async_write(stream_, chunk, use_result);
    } else {
      std::tie(error, std::ignore) = co_await net::asio::async_write(stream_, bytes, use_result);
    }
    co_return !error;
  }

  net::Task<> pause(milliseconds time) {
    net::Timer timer(stream_.get_executor(), time);
    co_await timer.async_wait(use_result);
  }

  std::shared_ptr<Link> link_;
  Stream& stream_;
  Backend& backend_;
  const Policy& policy_;
  Peer peer_;
  Limits limits_;
  flat_buffer buffer_{kMaxHead + kMaxBody};
};

}  // namespace

void Link::arm(const std::shared_ptr<Link>& link, milliseconds time) {
  link->deadline_.expires_after(time);
  link->deadline_.async_wait([weak = std::weak_ptr(link)](boost::system::error_code error) {
    const auto overdue = weak.lock();
    if (!error && overdue) overdue->close();
  });
}

void Link::close() {
  boost::system::error_code ignored;
  socket.close(ignored);
}

net::Task<> serve(std::shared_ptr<Link> link, std::shared_ptr<net::asio::ssl::context> tls, Backend& backend,
                  std::shared_ptr<const Policy> policy, Peer peer, Limits limits) {
  if (!tls) {
    Session<Socket> session(link, link->socket, backend, *policy, std::move(peer), limits);
    co_await session.run();
    co_return;
  }
  net::asio::ssl::stream<Socket&> stream(link->socket, *tls);
  Link::arm(link, limits.read);
  auto [error] = co_await stream.async_handshake(net::asio::ssl::stream_base::server, use_result);
  if (error) co_return;
  Session<decltype(stream)> session(link, stream, backend, *policy, std::move(peer), limits);
  co_await session.run();
  Link::arm(link, limits.read);
  co_await stream.async_shutdown(use_result);
}

}  // namespace fleet::api
