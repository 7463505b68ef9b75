// Which certificates a server name stands for. Several with different kinds of key stand side by side, and the handshake
// takes the one that the client can use.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tls/x509.hpp"
#include "wire/messages.hpp"

namespace fleet::proxy {

// One certificate as read: immutable, shared by the tables that have it.
class Leaf {
 public:
  // Errors never quote a key.
  static Result<std::shared_ptr<const Leaf>> read(const wire::Certificate& source);
  ~Leaf() { sk_X509_free(above_); }
  Leaf(const Leaf&) = delete;

  const wire::Certificate& source() const { return source_; }
  X509* certificate() const { return chain_.front().get(); }
  STACK_OF(X509)* above() const { return above_; }  // what is sent after it
  EVP_PKEY* key() const { return key_.get(); }
  int kind() const { return EVP_PKEY_get_base_id(key_.get()); }
  const std::vector<std::string>& names() const { return names_; }
  bool is_for(std::string_view host) const;  // lower case

 private:
  Leaf() = default;
  wire::Certificate source_;
  tls::Chain chain_;
  tls::Owned<EVP_PKEY> key_;
  STACK_OF(X509)* above_ = nullptr;
  std::vector<std::string> names_, sorted_;
};
using LeafPtr = std::shared_ptr<const Leaf>;

class CertificateTable {
 public:
  using Set = std::vector<const Leaf*>;  // one of each kind of key

  // Not empty. Of two with the same name and kind of key the first has it; the very first is the default.
  explicit CertificateTable(std::vector<LeafPtr> leaves);

  // Exact, then wildcard, then the default.
  const Set& choose(std::string_view server_name) const;
  const Set& standard() const { return sets_.front(); }

  // P13: may a connection that was made for `server_name` (empty: for none) carry requests for `host`?
  bool covers(std::string_view server_name, std::string_view host) const;

  const std::vector<LeafPtr>& leaves() const { return leaves_; }
  LeafPtr of_file(const std::string& file) const;  // null: none

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  std::vector<LeafPtr> leaves_;
  std::vector<Set> sets_;  // each distinct one once
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> by_name_;  // wildcards as "*.example.com"
  std::unordered_map<std::string, LeafPtr> by_file_;
};

}  // namespace fleet::proxy
