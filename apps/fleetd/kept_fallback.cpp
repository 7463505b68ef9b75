#include "kept_fallback.hpp"

#include <algorithm>
#include <set>

#include "os/atomic_file.hpp"
#include "wire/codec.hpp"

namespace fleet {
namespace {

constexpr std::size_t kMost = 64u << 20;  // bytes

}  // namespace

Result<> write_fallback(const std::string& path, const KeptFallback& kept) {
  return os::write_file(path, wire::encode(kept));
}

std::optional<KeptFallback> read_fallback(const std::string& path, const std::string& boot_id) {
  const auto bytes = os::read_file(path, kMost);
  if (!bytes) return std::nullopt;
  auto kept = wire::decode<KeptFallback>(*bytes);
  if (!kept) return std::nullopt;
  if (kept->boot_id != boot_id) kept->good = {}, kept->bad_table = 0;
  return std::move(*kept);
}

RouteTable with_what_is_there(RouteTable good, const RouteTable& now) {
  std::set<std::string> there;
  for (const auto& route : now.routes) {
    for (const auto& release : route.releases) {
      for (const auto& target : release.targets) there.insert(target.id);
    }
  }
  for (auto& route : good.routes) {
    for (auto& release : route.releases) {
      std::erase_if(release.targets, [&](const Target& target) { return !there.contains(target.id); });
    }
  }
  return good;
}

}  // namespace fleet
