// What rules change about the fields of a head, whatever form the head goes out in.
#pragma once

#include <string_view>

#include "http/fields.hpp"

namespace fleet::http {

class FieldSink {
 public:
  virtual void put(std::string_view name, std::string_view value) = 0;

 protected:
  ~FieldSink() = default;
};

class FieldEdits {
 public:
  // Asked for each field that would go out as it came. True: it does not; what goes in its place is put into `out`.
  virtual bool take(const Field& field, FieldSink& out) const = 0;
  // The fields that are added.
  virtual void add(FieldSink& out) const = 0;
  // Of a request: what goes in place of its Host; empty: it stays.
  virtual std::string_view host() const { return {}; }

 protected:
  ~FieldEdits() = default;
};

}  // namespace fleet::http
