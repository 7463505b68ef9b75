// Every key of fleet.toml, declared once: reading, complaints, defaults and the reference derive from this table.
#pragma once

#include <string>
#include <vector>

#include "config/context.hpp"
#include "config/document.hpp"
#include "core/config.hpp"

namespace fleet::config {

// Fills in what the document says; complaints go to the context. What is cross-checked between keys is in checks.hpp.
void read_config(const Node& document, Config&, const Context&);

// The same for fleet-app.toml.
void read_app_file(const Node& document, BuildConfig&, const Context&);

struct KeyReference {
  std::string name, type, range, fallback, meaning;  // fallback: as written in the file, or in words
  bool required = false;
};
struct SectionReference {
  std::string heading, meaning;  // "[app.NAME.health]"
  std::vector<KeyReference> keys;
};
std::vector<SectionReference> reference();
std::vector<SectionReference> app_file_reference();

}  // namespace fleet::config
