// HTTP/1.1 on one connection: heads are read and parsed here, each request is an Exchange.
#pragma once

#include "exchange/exchange.hpp"
#include "http1/http1_client.hpp"

namespace fleet::proxy {

// Where the worker's own first request goes; answered on its self-test connection only.
constexpr std::string_view kSelfTestPath = "/.fleet/self-test";

class Http1Connection {
 public:
  Http1Connection(Proxy& proxy, Peer& peer) : proxy_(proxy), peer_(peer), client_(proxy, peer) {}
  Task<> run();

 private:
  // How the connection goes on.
  enum class After : std::uint8_t {
    next,   // takes the next request
    close,  // the answer is complete and was the last
    drop,   // the answer is not complete, and the client must see that
  };
  Task<std::size_t> read_head(bool first);
  Task<After> serve(std::size_t head_size);
  Task<After> refuse(const OwnAnswer& answer);  // `answer` lives in the awaiting frame
  Task<> linger();

  Proxy& proxy_;
  Peer& peer_;
  Http1Client client_;
  http::HeadScanner scanner_;
  After after_ = After::next;
};

}  // namespace fleet::proxy
