#include "config/context.hpp"

namespace fleet::config {

Context Context::in(std::string_view key) const {
  Context inner = *this;
  inner.where_ += joint_ + std::string(key);
  inner.joint_ = ".";
  return inner;
}

Context Context::named(std::string name) const {
  Context inner = *this;
  inner.where_ = std::move(name);
  inner.joint_ = ": ";
  return inner;
}

void Context::problem(Position at, std::string_view text) const {
  problems_->push_back({at.line, at.column, (where_.empty() ? "" : where_ + ": ") + std::string(text)});
}

std::string quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      out += c;
    }
  }
  return out + (text.size() > 80 ? "...\"" : "\"");
}

}  // namespace fleet::config
