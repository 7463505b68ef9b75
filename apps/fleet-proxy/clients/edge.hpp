// What stands between the clients and this worker, as fleetd has told: which proxies are believed (P8), which listeners
// begin with a PROXY header (P9), what is answered before any routing (P3, readiness), and who is connected.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clients/guests.hpp"
#include "core/cidr.hpp"
#include "core/config.hpp"
#include "exchange/errors.hpp"
#include "http/forwarded.hpp"
#include "http/head.hpp"

namespace fleet::proxy {

class Router;

constexpr std::size_t kMaxPasses = 5;  // of one request through this fleet, before it is taken for a loop

class Edge {
 public:
  void set(const ProxySettings& settings);

  bool trusts(const IpAddress& ip) const { return !trusted_.empty() && trusted_.contains(ip); }
  bool begins_with_header(const Endpoint& listener) const;
  std::string_view node() const { return node_; }

  // What a trusted peer says of a request, or null. Valid until the next suspension.
  const http::Provenance* told(const http::FieldList& fields, const http::Peer& peer);

  // An answer to what is not for any app. `ready`: the worker takes new requests, or others do in its place.
  std::optional<OwnAnswer> answer(const http::RequestHead& head, const Router& router, bool ready);

  Guests guests;
  std::uint64_t bad_headers = 0, over_limit = 0, evicted = 0, slow = 0, loops = 0;

 private:
  AddressSet trusted_;
  ForwardedHeader forwarded_header_ = ForwardedHeader::x_forwarded;
  std::vector<Endpoint> with_header_;
  std::string ready_path_, node_;
  http::Provenance told_;
};

}  // namespace fleet::proxy
