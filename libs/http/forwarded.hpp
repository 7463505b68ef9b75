// What the proxies before us say of a request (X-Forwarded-*, and Forwarded of RFC 7239), and how much of it is
// believed: nothing unless the peer is trusted, and then only as far from the right as one trusted hop follows the
// other (P8).
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/cidr.hpp"
#include "core/config.hpp"
#include "http/fields.hpp"

namespace fleet::http {

constexpr std::size_t kMaxHops = 32;              // the nearest; those before them are dropped
constexpr std::size_t kMaxForwardedBytes = 4096;  // likewise, of Forwarded

// One node that the request came from, in the words of the proxy behind it.
struct Hop {
  std::string_view node;        // "192.0.2.1", "2001:db8::1" (no brackets, no port), "unknown", "_hidden"
  std::optional<IpAddress> ip;  // none: the node is not told
  std::string_view element;     // as it stood in Forwarded; empty: it stood in X-Forwarded-For
};

// The other end of the connection, or who that was according to its PROXY header.
struct Peer {
  std::string_view address;  // textual, IPv6 without brackets
  IpAddress ip;
  bool https = false;  // how it speaks to us
};

constexpr std::string_view kUnknownClient = "unknown";

// Views into the fields that it was read from.
class Provenance {
 public:
  // The peer is trusted. `header`: which one trusted proxies write.
  void read(const FieldList& fields, const Peer& peer, const AddressSet& trusted, ForwardedHeader header);

  // The client: the rightmost address that is not trusted, or the leftmost when all are. When a hop does not tell, the
  // text is kUnknownClient and the address `::`, which is nobody's.
  std::string_view address() const { return address_; }
  const IpAddress& ip() const { return ip_; }
  bool https() const { return https_; }               // how the client spoke to the first trusted proxy
  std::string_view host() const { return host_; }     // valid, as the client asked for it; empty: not told
  std::string_view port() const { return port_; }     // likewise
  std::size_t client_hop() const { return client_; }  // of hops(); its size when the peer is the client
  std::span<const Hop> hops() const { return {hops_.data(), size_}; }  // in the order travelled

 private:
  bool read_nodes(const FieldList& fields);
  bool read_elements(const FieldList& fields);
  void settle_client(const Peer& peer, const AddressSet& trusted, bool whole);
  void settle_scheme(std::string_view told, bool otherwise);

  std::array<Hop, kMaxHops> hops_;
  std::size_t size_ = 0, client_ = 0;
  std::string address_;
  IpAddress ip_;
  std::string_view host_, port_;
  bool https_ = false;
};

// How often a request has been passed on by `node` already, as CDN-Loop tells (P3, RFC 8586).
std::size_t passes(const FieldList& fields, std::string_view node);

}  // namespace fleet::http
