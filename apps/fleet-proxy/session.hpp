// One client connection from its handshake to its close: heads are read and parsed here, each request is an Exchange.
#pragma once

#include "exchange.hpp"
#include "proxy.hpp"

namespace fleet::proxy {

// Where the worker's own first request goes; answered on its self-test connection only.
constexpr std::string_view kSelfTestPath = "/.fleet/self-test";

class Session {
 public:
  Session(Proxy& proxy, std::unique_ptr<Stream> stream, std::string address, bool https, bool internal = false)
      : proxy_(proxy), client_(std::move(stream), std::move(address), https) {
    client_.internal = internal;
    proxy_.watchdog.watch(client_.deadline);
  }

  // Returns when the connection is done with. Runs once; must have returned before the session is destroyed.
  Task<> run();

  // Ends it now, whatever it is doing. It may be over before this returns.
  void cut() {
    client_.cut = true;
    client_.wakeup.wake();
  }
  bool in_exchange() const { return client_.in_exchange; }

 private:
  Task<bool> handshake();
  Task<std::size_t> read_head(bool first);
  Task<Exchange::After> serve(std::size_t head_size);
  Task<Exchange::After> refuse(const OwnAnswer& answer);  // `answer` lives in the awaiting frame
  Task<> linger();

  Proxy& proxy_;
  ClientConnection client_;
  http::HeadScanner scanner_;
  Exchange::After after_ = Exchange::After::keep;
};

}  // namespace fleet::proxy
