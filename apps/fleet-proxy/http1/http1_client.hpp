// The client's half of exchanges over HTTP/1.1, one after the other on one connection.
#pragma once

#include "exchange/client_side.hpp"
#include "http/body.hpp"

namespace fleet::proxy {

class Http1Client final : public ClientSide {
 public:
  Http1Client(const Proxy& proxy, Peer& its_peer) : ClientSide(its_peer, its_peer.wakeup, its_peer.deadline), proxy_(proxy) {}

  // `head`: of the request that the next exchange is for; its bytes are out of in.data().
  void begin_request(const http::RequestHead& head, const http::Framing& framing);
  // Answers what is no request that an exchange could take. Returns the same as answer().
  std::size_t refuse(const OwnAnswer& answer);
  // May the connection take another request?
  bool keeps() const { return keep_; }

  Buffer in, out;
  bool ended = false;  // the client sends no more (W8)

  std::string_view protocol() const override { return minor_ == 0 ? "HTTP/1.0" : "HTTP/1.1"; }

  bool receive() override;
  http::Parsed<std::string_view> body() override;
  void body_taken(std::size_t n) override;
  bool body_ended() const override;
  std::string_view trailers() const override { return upload_.trailers(); }
  bool gone() const override { return gone_; }

  bool interim(const http::ResponseHead& head) override;
  bool takes_head() const override { return out.room() >= kBlock / 2 + http::kMaxHead / 2; }
  void begin(const http::ResponseHead& head, const http::Framing& framing, const http::ResponseRewrite& rewrite,
             bool last) override;
  void begin_tunnel(const http::ResponseHead& head) override;
  std::size_t send(std::string_view bytes) override;
  bool end(const http::FieldList* trailers) override;
  std::size_t answer(const OwnAnswer& answer, bool request_whole) override;

  bool flush() override;
  bool flushed() const override { return out.empty(); }
  void arm(bool) override {}  // the socket tells of every change

 private:
  std::size_t queue(const OwnAnswer& answer, bool with_body);
  http::Persistence persistence() const {
    return !keep_ ? http::Persistence::close : minor_ == 0 ? http::Persistence::keep_alive : http::Persistence::keep;
  }
  std::size_t write_now(std::string_view bytes);  // what the kernel takes of them

  const Proxy& proxy_;
  http::Method method_ = http::Method::get;
  int minor_ = 1;
  http::BodyReader upload_;
  bool keep_ = true;     // as far as is known
  bool chunked_ = false;  // the answer, as it goes out
  bool whole_ = false;    // the answer, though not flushed, perhaps
  bool tunnel_ = false, gone_ = false;
};

}  // namespace fleet::proxy
