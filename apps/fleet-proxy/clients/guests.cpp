#include "clients/guests.hpp"

#include <algorithm>

namespace fleet::proxy {
namespace {

IpAddress guest(IpAddress ip) {
  if (!ip.is_v4()) std::fill(ip.bytes.begin() + 8, ip.bytes.end(), std::uint8_t{0});
  return ip;
}

}  // namespace

std::uint32_t Guests::connections_of(const IpAddress& ip) const {
  const auto found = counts_.find(guest(ip));
  return found == counts_.end() ? 0 : found->second;
}

Guests::Place::Place(Guests& guests, const IpAddress& ip)
    : guests_(guests), entry_(guests.counts_.try_emplace(guest(ip), 0).first) {
  ++entry_->second;
}

Guests::Place::~Place() {
  if (--entry_->second == 0) guests_.counts_.erase(entry_);
}

void choose_leavers(std::vector<Idler>& idlers, std::size_t count) {
  const auto leaves_before = [](const Idler& a, const Idler& b) {
    return a.of_same_guest != b.of_same_guest ? a.of_same_guest > b.of_same_guest : a.since < b.since;
  };
  if (count >= idlers.size()) return;
  const auto last = idlers.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(idlers.begin(), last, idlers.end(), leaves_before);
  idlers.erase(last, idlers.end());
}

}  // namespace fleet::proxy
