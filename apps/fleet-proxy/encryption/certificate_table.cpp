#include "encryption/certificate_table.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <map>

#include "http/chars.hpp"

namespace fleet::proxy {
namespace {

constexpr std::size_t kLongestName = 255;

// "a.b.example" -> "*.b.example" in `to`; empty when there is no dot.
std::string_view wildcard_of(std::string_view name, char (&to)[kLongestName + 2]) {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos || name.size() > kLongestName) return {};
  to[0] = '*';
  const auto rest = name.substr(dot);
  rest.copy(to + 1, rest.size());
  return {to, rest.size() + 1};
}

std::string_view lower(std::string_view name, char (&to)[kLongestName]) {
  if (name.size() > kLongestName) return {};
  std::ranges::transform(name, to, http::lower);
  return {to, name.size()};
}

}  // namespace

Result<LeafPtr> Leaf::read(const wire::Certificate& source) {
  std::shared_ptr<Leaf> leaf(new Leaf());
  leaf->source_ = source;
  TRY(leaf->chain_, tls::read_chain(source.certificate_pem));
  TRY(leaf->key_, tls::read_key(source.key_pem));
  const bool fits = X509_check_private_key(leaf->certificate(), leaf->key()) == 1;
  ERR_clear_error();
  if (!fits) return fail(ErrorKind::usage, "the key does not belong to the certificate");
  leaf->above_ = sk_X509_new_null();
  for (std::size_t i = 1; i < leaf->chain_.size(); ++i) sk_X509_push(leaf->above_, leaf->chain_[i].get());
  leaf->names_ = tls::dns_names(leaf->certificate());
  leaf->sorted_ = leaf->names_;
  std::ranges::sort(leaf->sorted_);
  return LeafPtr(std::move(leaf));
}

bool Leaf::is_for(std::string_view host) const {
  char text[kLongestName + 2];
  const auto has = [this](std::string_view name) { return std::ranges::binary_search(sorted_, name, std::less<>()); };
  if (has(host)) return true;
  const auto wildcard = wildcard_of(host, text);
  return !wildcard.empty() && has(wildcard);
}

CertificateTable::CertificateTable(std::vector<LeafPtr> leaves) : leaves_(std::move(leaves)) {
  std::unordered_map<std::string_view, Set> named;
  for (const auto& leaf : leaves_) {
    by_file_.emplace(leaf->source().file, leaf);
    for (const auto& name : leaf->names()) {
      auto& set = named[name];
      if (std::ranges::find(set, leaf->kind(), &Leaf::kind) == set.end()) set.push_back(leaf.get());
    }
  }
  const auto& first = *leaves_.front();
  sets_.push_back(first.names().empty() ? Set{&first} : named[first.names().front()]);
  std::map<Set, std::uint32_t> numbers{{sets_.front(), 0}};
  by_name_.reserve(named.size());
  for (auto& [name, set] : named) {
    const auto [place, fresh] = numbers.try_emplace(std::move(set), static_cast<std::uint32_t>(sets_.size()));
    if (fresh) sets_.push_back(place->first);
    by_name_.emplace(name, place->second);
  }
}

const CertificateTable::Set& CertificateTable::choose(std::string_view server_name) const {
  char text[kLongestName], star[kLongestName + 2];
  const auto name = lower(server_name, text);
  if (const auto exact = by_name_.find(name); exact != by_name_.end()) return sets_[exact->second];
  const auto wildcard = by_name_.find(wildcard_of(name, star));
  return wildcard != by_name_.end() ? sets_[wildcard->second] : standard();
}

bool CertificateTable::covers(std::string_view server_name, std::string_view host) const {
  char text[kLongestName], other[kLongestName];
  const auto wanted = lower(host, other);
  if (server_name.empty() || lower(server_name, text) == wanted) return true;
  return std::ranges::all_of(choose(server_name), [wanted](const Leaf* leaf) { return leaf->is_for(wanted); });
}

LeafPtr CertificateTable::of_file(const std::string& file) const {
  const auto found = by_file_.find(file);
  return found == by_file_.end() ? nullptr : found->second;
}

}  // namespace fleet::proxy
