#include "http/proxy_protocol.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace fleet::http {
namespace {

using std::string_view;
using Read = std::expected<std::size_t, string_view>;

constexpr string_view kV1 = "PROXY ";
constexpr string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kV2Fixed = 16;

std::unexpected<string_view> wrong(string_view what) { return std::unexpected(what); }

// The word up to the next space, or all; nothing when it is empty.
std::optional<string_view> next_word(string_view& line) {
  const auto space = std::min(line.find(' '), line.size());
  if (space == 0) return std::nullopt;
  const auto word = line.substr(0, space);
  line.remove_prefix(space + (space + 1 < line.size() ? 1 : 0));  // a space at the end stays, to be complained about
  return word;
}

bool is_port(string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && (text.size() == 1 || text.front() != '0');
}

// "TCP4 192.0.2.1 192.0.2.2 56324 443": single spaces, nothing else.
bool parse_line(string_view line, ProxyHeader& header) {
  header = {};
  const auto family = next_word(line);
  if (family == "UNKNOWN") return true;  // the rest is to be ignored
  const auto source = next_word(line), destination = next_word(line);
  const auto source_port = next_word(line), destination_port = next_word(line);
  if (!destination_port || !line.empty() || !is_port(*source_port) || !is_port(*destination_port)) return false;
  const auto is_of_family = [&](string_view address) {
    return (address.find(':') != string_view::npos) == (family == "TCP6");
  };
  if ((family != "TCP4" && family != "TCP6") || !is_of_family(*source) || !is_of_family(*destination)) return false;
  const auto client = parse_address(*source);
  if (!client || !parse_address(*destination)) return false;
  header = {true, *client};
  return true;
}

Read parse_v1(string_view bytes, ProxyHeader& header) {
  const auto end = bytes.substr(0, kMaxProxyHeaderV1).find('\r');
  const auto line = bytes.substr(0, std::min(end, bytes.size()));
  if (!std::ranges::all_of(line, [](char c) { return c >= ' ' && c < 0x7f; })) return wrong("a control character");
  if (line.size() > kMaxProxyHeaderV1 - 2) return wrong("version 1: too long");
  if (end == string_view::npos || end + 1 == bytes.size()) return 0;
  if (bytes[end + 1] != '\n') return wrong("version 1: a bare carriage return");
  if (!parse_line(line.substr(kV1.size()), header)) return wrong("version 1: malformed");
  return end + 2;
}

IpAddress mapped(const unsigned char* four) { return IpAddress::v4(four[0], four[1], four[2], four[3]); }

Read parse_v2(string_view bytes, ProxyHeader& header) {
  if (bytes.size() <= kV2.size()) return 0;
  const auto* const octet = reinterpret_cast<const unsigned char*>(bytes.data());
  const unsigned version = octet[12] >> 4, command = octet[12] & 15u;
  if (version != 2) return wrong("version 2: another version");
  if (command > 1) return wrong("version 2: unknown command");
  if (bytes.size() < kV2Fixed) return 0;
  const unsigned family = octet[13] >> 4, transport = octet[13] & 15u;
  const std::size_t size = kV2Fixed + (std::size_t{octet[14]} << 8 | octet[15]);
  if (size > kMaxProxyHeaderV2) return wrong("version 2: too long");
  if (family > 3 || transport > 2) return wrong("version 2: unknown address family");
  const bool local = command == 0, ip = family == 1 || family == 2;
  const std::size_t addresses = family == 1 ? 12 : family == 2 ? 36 : 0;
  if (!local && ip && transport != 1) return wrong("version 2: not a stream");
  if (!local && size < kV2Fixed + addresses) return wrong("version 2: too short for its addresses");
  if (bytes.size() < size) return 0;
  header = {};
  if (local || !ip) return size;
  header.tells = true;
  if (family == 1) {
    header.client = mapped(octet + kV2Fixed);
  } else {
    std::memcpy(header.client.bytes.data(), octet + kV2Fixed, header.client.bytes.size());
  }
  return size;
}

}  // namespace

Read parse_proxy_header(string_view bytes, ProxyHeader& header) {
  const auto begins_like = [bytes](string_view signature) {
    const auto size = std::min(bytes.size(), signature.size());
    return bytes.substr(0, size) == signature.substr(0, size);
  };
  if (begins_like(kV2)) return parse_v2(bytes, header);
  if (begins_like(kV1)) return bytes.size() < kV1.size() ? Read(0) : parse_v1(bytes, header);
  return wrong("no PROXY header");
}

}  // namespace fleet::http
