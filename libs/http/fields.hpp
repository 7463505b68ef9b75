// The fields of one head: a flat list of views into the bytes they were parsed from.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace fleet::http {

constexpr std::size_t kMaxFields = 128;

// The names that the proxy acts on.
enum class FieldId : std::uint8_t {
  other,
  host,
  connection,
  content_length,
  transfer_encoding,
  keep_alive,
  proxy_connection,
  te,
  trailer,
  upgrade,
  expect,
  http2_settings,
  forwarded,
  x_forwarded,  // X-Forwarded-For, -Proto, -Host, -Port, -Prefix
  x_real_ip,
  x_fleet,  // X-Fleet-*: ours alone
  proxy,    // Proxy: read by CGI as HTTP_PROXY
  location,
  content_location,
  refresh,
  cdn_loop,
  content_type,
};

FieldId field_id(std::string_view name);

struct Field {
  std::string_view name, value;  // value without surrounding blanks
  FieldId id = FieldId::other;
  bool named_by_connection = false;
};

class FieldList {
 public:
  void clear() { size_ = 0; }
  bool full() const { return size_ == kMaxFields; }
  void add(std::string_view name, std::string_view value) { all_[size_++] = {name, value, field_id(name), false}; }

  const Field* begin() const { return all_.data(); }
  const Field* end() const { return all_.data() + size_; }
  Field* begin() { return all_.data(); }
  Field* end() { return all_.data() + size_; }
  std::size_t size() const { return size_; }

  // The first one, or null.
  const Field* find(FieldId id) const {
    for (const auto& field : *this) {
      if (field.id == id) return &field;
    }
    return nullptr;
  }

 private:
  std::array<Field, kMaxFields> all_;
  std::size_t size_ = 0;
};

}  // namespace fleet::http
