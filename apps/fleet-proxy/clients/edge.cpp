#include "clients/edge.hpp"

#include <algorithm>

#include "upstream/router.hpp"

namespace fleet::proxy {

void Edge::set(const ProxySettings& settings) {
  trusted_ = AddressSet::of(settings.trusted);
  forwarded_header_ = settings.forwarded_header;
  with_header_ = settings.proxy_protocol;
  ready_path_ = settings.ready_path;
  node_ = settings.node;
}

bool Edge::begins_with_header(const Endpoint& listener) const {
  return !with_header_.empty() && std::ranges::find(with_header_, listener) != with_header_.end();
}

const http::Provenance* Edge::told(const http::FieldList& fields, const http::Peer& peer) {
  if (!trusts(peer.ip)) return nullptr;
  told_.read(fields, peer, trusted_, forwarded_header_);
  return &told_;
}

std::optional<OwnAnswer> Edge::answer(const http::RequestHead& head, const Router& router, bool ready) {
  if (!node_.empty() && http::passes(head.fields, node_) >= kMaxPasses) {
    ++loops;
    return own::loop_detected();
  }
  if (ready_path_.empty() || head.target.substr(0, head.target.find('?')) != ready_path_) return std::nullopt;
  if (head.method != http::Method::get && head.method != http::Method::head) return std::nullopt;
  return ready && router.any_ready() ? own::ready() : own::not_ready();
}

}  // namespace fleet::proxy
