// The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.6/doc/proxy-protocol.txt): a balancer's first bytes on a
// connection, which say who connected to it.
#pragma once

#include <expected>
#include <string_view>

#include "core/cidr.hpp"

namespace fleet::http {

constexpr std::size_t kMaxProxyHeaderV1 = 107;   // its CRLF included
constexpr std::size_t kMaxProxyHeaderV2 = 4096;  // its TLVs included, of which nothing is read

struct ProxyHeader {
  bool tells = false;  // false: UNKNOWN, LOCAL or UNSPEC: the connection's own address holds
  IpAddress client;
};

// The header's size once it is complete, 0 when more is needed, or what is wrong with it. Says so at the first wrong
// byte; as long as it asks for more, every byte given belongs to the header.
std::expected<std::size_t, std::string_view> parse_proxy_header(std::string_view bytes, ProxyHeader& header);

}  // namespace fleet::http
