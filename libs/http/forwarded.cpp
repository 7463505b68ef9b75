#include "http/forwarded.hpp"

#include <algorithm>
#include <charconv>

#include "http/authority.hpp"
#include "http/chars.hpp"

namespace fleet::http {
namespace {

using std::string_view;

// ---- X-Forwarded-*

enum class Kind : std::uint8_t { none, client, proto, host, port };

Kind kind_of(const Field& field) {
  if (field.id != FieldId::x_forwarded) return Kind::none;
  switch (lower(field.name[std::string_view("x-forwarded-").size()])) {
    case 'f': return Kind::client;
    case 'h': return Kind::host;
    default: return field.name.size() == string_view("x-forwarded-port").size() ? Kind::port : Kind::proto;
  }
}

bool has_any(const FieldList& fields, Kind kind) {
  return std::ranges::any_of(fields, [kind](const Field& field) { return kind_of(field) == kind; });
}

// Calls f(element) from right to left over all fields of that kind, until it returns false.
template <class F>
void from_right(const FieldList& fields, Kind kind, F&& f) {
  for (const Field* field = fields.end(); field-- != fields.begin();) {
    if (kind_of(*field) != kind) continue;
    for (auto list = field->value;;) {
      const auto comma = list.rfind(',');
      const auto element = trim(comma == string_view::npos ? list : list.substr(comma + 1));
      if (!element.empty() && !f(element)) return;
      if (comma == string_view::npos) break;
      list = list.substr(0, comma);
    }
  }
}

// What the proxy `index` places from the right says; proxies that replace instead of appending leave fewer elements.
string_view pick(const FieldList& fields, Kind kind, std::size_t index) {
  string_view picked;
  from_right(fields, kind, [&](string_view element) {
    picked = element;
    return index-- > 0;
  });
  return picked;
}

bool is_port(string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

// RFC 7239 §6.3, and what people write into node ports.
bool is_obfuscated(string_view text) {
  return text.size() > 1 && text.front() == '_' &&
         std::ranges::all_of(text, [](char c) { return chars::is(c, chars::host) && c != '~'; });
}

// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80", "unknown", "_hidden", "_hidden:_port". Nothing when
// it is none of these. Bare IPv6 is for X-Forwarded-For only.
std::optional<Hop> parse_node(string_view text, bool bare_v6) {
  auto name = text, port = string_view();
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == string_view::npos) return std::nullopt;
    name = text.substr(1, close - 1), port = text.substr(close + 1);
    if (name.find(':') == string_view::npos) return std::nullopt;
  } else if (!bare_v6 || text.find(':') == text.rfind(':')) {
    name = text.substr(0, text.find(':')), port = text.substr(name.size());
  }
  if (!port.empty() && !is_port(port.substr(1)) && !is_obfuscated(port.substr(1)) && port != ":0") return std::nullopt;
  if (!port.empty() && port.front() != ':') return std::nullopt;
  if (const auto ip = parse_address(name)) return Hop{name, ip, {}};
  if (iequals(name, kUnknownClient)) return Hop{kUnknownClient, std::nullopt, {}};
  if (is_obfuscated(name)) return Hop{name, std::nullopt, {}};
  return std::nullopt;
}

// ---- Forwarded

struct Element {
  string_view node, host, proto, text;
};

// Reads a Forwarded field from left to right, strictly (RFC 7239 §4): no blanks but around commas.
class ElementReader {
 public:
  explicit ElementReader(string_view list) : rest_(list) {}

  bool failed() const { return failed_; }
  // False at the end, or when it has failed.
  bool next(Element& element) {
    skip([](char c) { return c == ',' || c == ' ' || c == '\t'; });
    if (rest_.empty() || failed_) return false;
    element = {};
    const auto whole = rest_;
    for (;;) {
      if (!rest_.starts_with(';') && !rest_.empty() && !at_comma() && !pair(element)) return failed_ = true, false;
      if (!rest_.starts_with(';')) break;
      rest_.remove_prefix(1);
    }
    element.text = whole.substr(0, whole.size() - rest_.size());
    skip([](char c) { return c == ' ' || c == '\t'; });
    failed_ = !rest_.empty() && rest_.front() != ',';
    return !failed_;
  }

 private:
  template <class P>
  string_view skip(P&& belongs) {
    const auto end = std::ranges::find_if_not(rest_, belongs);
    const auto taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  string_view token() {
    return skip([](char c) { return chars::is(c, chars::token); });
  }
  bool at_comma() const { return rest_.starts_with(',') || rest_.starts_with(' ') || rest_.starts_with('\t'); }

  bool pair(Element& element) {
    const auto name = token();
    if (name.empty() || !rest_.starts_with('=')) return false;
    rest_.remove_prefix(1);
    string_view value;
    if (rest_.starts_with('"') ? !quoted(value) : (value = token()).empty()) return false;
    for (const auto& [known, member] :
         {std::pair(string_view("for"), &Element::node), std::pair(string_view("host"), &Element::host),
          std::pair(string_view("proto"), &Element::proto)}) {
      if (!iequals(name, known)) continue;
      if (!(element.*member).empty()) return false;  // each at most once
      element.*member = value;
    }
    return true;
  }
  // What is between the quotes, escapes as they stand: nothing that we read has any.
  bool quoted(string_view& value) {
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        value = rest_.substr(1, i - 1);
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  string_view rest_;
  bool failed_ = false;
};

}  // namespace

// False: what stands before hops() was left out, as it is malformed or too much.
bool Provenance::read_nodes(const FieldList& fields) {
  bool whole = true;
  from_right(fields, Kind::client, [&](string_view element) {
    const auto hop = parse_node(element, true);
    whole = hop.has_value() && size_ < kMaxHops;
    if (whole) hops_[size_++] = *hop;
    return whole;
  });
  std::reverse(hops_.begin(), hops_.begin() + static_cast<std::ptrdiff_t>(size_));
  return whole;
}

bool Provenance::read_elements(const FieldList& fields) {
  std::size_t count = 0;  // the last kMaxHops of them are in hops_, in a ring
  for (const auto& field : fields) {
    if (field.id != FieldId::forwarded) continue;
    ElementReader reader(field.value);
    for (Element element; reader.next(element);) {
      auto hop = element.node.empty() ? Hop{kUnknownClient, std::nullopt, {}} : parse_node(element.node, false);
      if (!hop) return false;
      hop->element = element.text;
      hops_[count++ % kMaxHops] = *hop;
    }
    if (reader.failed()) return false;
  }
  size_ = std::min(count, kMaxHops);
  if (count > kMaxHops) std::ranges::rotate(hops_, hops_.begin() + static_cast<std::ptrdiff_t>(count % kMaxHops));
  std::size_t kept = 0, bytes = 0;
  while (kept < size_ && (bytes += hops_[size_ - 1 - kept].element.size()) <= kMaxForwardedBytes) ++kept;
  const bool whole = count <= kMaxHops && kept == size_;
  std::move(hops_.begin() + static_cast<std::ptrdiff_t>(size_ - kept),
            hops_.begin() + static_cast<std::ptrdiff_t>(size_), hops_.begin());
  size_ = kept;
  return whole;
}

// `whole`: nothing stands before hops() that could be the client.
void Provenance::settle_client(const Peer& peer, const AddressSet& trusted, bool whole) {
  const auto is_trusted = [&](const Hop& hop) { return hop.ip && trusted.contains(*hop.ip); };
  client_ = size_;
  while (client_ > 0 && (client_ == size_ || is_trusted(hops_[client_]))) --client_;
  const bool beyond = !whole && (size_ == 0 || is_trusted(hops_[client_]));
  if (size_ == 0 && !beyond) {
    address_ = peer.address, ip_ = peer.ip;
  } else if (beyond || !hops_[client_].ip) {
    address_ = kUnknownClient, ip_ = {};
  } else {
    ip_ = *hops_[client_].ip;
    address_ = to_string(ip_);
  }
}

void Provenance::settle_scheme(string_view told, bool otherwise) {
  https_ = iequals(told, "https") || (otherwise && !iequals(told, "http"));
}

void Provenance::read(const FieldList& fields, const Peer& peer, const AddressSet& trusted, ForwardedHeader header) {
  size_ = client_ = 0;
  host_ = port_ = {};
  const bool by_elements = header == ForwardedHeader::forwarded ||
                           (!has_any(fields, Kind::client) && std::ranges::any_of(fields, [](const Field& field) {
                             return field.id == FieldId::forwarded;
                           }));
  string_view proto;
  if (by_elements) {
    const bool whole = read_elements(fields);
    settle_client(peer, trusted, whole);
    Element element;
    if (client_ < size_) ElementReader(hops_[client_].element).next(element);
    proto = element.proto, host_ = element.host;
  } else {
    const bool whole = read_nodes(fields);
    settle_client(peer, trusted, whole);
    const auto behind_client = client_ < size_ ? size_ - 1 - client_ : 0;
    proto = pick(fields, Kind::proto, behind_client);
    host_ = pick(fields, Kind::host, behind_client);
    port_ = pick(fields, Kind::port, behind_client);
  }
  settle_scheme(proto, peer.https);
  if (!split_authority(host_)) host_ = {};
  if (!is_port(port_)) port_ = {};
}

std::size_t passes(const FieldList& fields, string_view node) {
  std::size_t count = 0;
  for (const auto& field : fields) {
    if (field.id != FieldId::cdn_loop) continue;
    for_each_element(field.value, [&](string_view info) { count += trim(info.substr(0, info.find(';'))) == node; });
  }
  return count;
}

}  // namespace fleet::http
