// A TOML table read into a struct: a list of keys, each with the member it fills.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/context.hpp"
#include "config/document.hpp"
#include "config/keys.hpp"

namespace fleet::config {

template <class S>
struct Key {
  KeyReference reference;
  std::function<void(const Node&, S&, const Context&)> read;
  bool section = false;  // a table with a heading of its own

  Key required() && { return reference.required = true, std::move(*this); }
  // The default in words, where it is not a constant.
  Key otherwise(std::string words) && { return reference.fallback = std::move(words), std::move(*this); }
  // What the key sets besides its own member.
  Key then(std::function<void(S&)> also) && {
    read = [own = std::move(read), also = std::move(also)](const Node& node, S& out, const Context& context) {
      own(node, out, context);
      also(out);
    };
    return std::move(*this);
  }
};

template <class S>
using Keys = std::vector<Key<S>>;

template <class S, class V>
Key<S> key(std::string name, typename V::T S::*member, V value, std::string meaning) {
  KeyReference reference{std::move(name), value.type(), value.range(), value.show(S{}.*member), std::move(meaning)};
  return {std::move(reference), [member, value](const Node& node, S& out, const Context& context) {
            value.read(node, out.*member, context);
          }};
}

template <class S>
Key<S> section(std::string name, std::function<void(const Node&, S&, const Context&)> read) {
  return {KeyReference{std::move(name), "table", "", "", ""}, std::move(read), true};
}

// ` (did you mean "interval"?)`, or nothing when no name is near.
std::string suggestion(std::string_view unknown, const std::vector<std::string>& known);

template <class S>
void read_table(const Node& node, S& out, const Keys<S>& keys, const Context& context) {
  const auto* table = std::get_if<Table>(&node.value);
  if (table == nullptr) return context.problem(node.at, "expected a table, not " + type_of(node));
  for (const auto& [name, at, value] : *table) {
    const auto known = std::ranges::find_if(keys, [&](const auto& k) { return k.reference.name == name; });
    if (known != keys.end()) {
      known->read(value, out, context.in(name));
      continue;
    }
    std::vector<std::string> names;
    for (const auto& k : keys) names.push_back(k.reference.name);
    context.problem(at, "unknown key " + quote(name) + suggestion(name, names));
  }
  for (const auto& k : keys) {
    if (k.reference.required && node.find(k.reference.name) == nullptr) {
      context.in(k.reference.name).problem(node.at, "missing");
    }
  }
}

// A key of what is within a member.
template <class S, class M>
Key<S> within(M S::*member, Key<M> inner) {
  return {std::move(inner.reference), [member, read = std::move(inner.read)](const Node& node, S& out,
                                                                             const Context& context) {
            read(node, out.*member, context);
          },
          inner.section};
}

// A table within this one that fills a member of its own; `keys` outlives what is returned.
template <class S, class T>
Key<S> section(std::string name, T S::*member, const Keys<T>& keys) {
  return section<S>(std::move(name), [member, &keys](const Node& node, S& out, const Context& context) {
    read_table(node, out.*member, keys, context);
  });
}

}  // namespace fleet::config
