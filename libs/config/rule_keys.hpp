// The keys of rules: of an app, and of the paths within it that have rules of their own.
#pragma once

#include "config/table.hpp"
#include "core/config.hpp"

namespace fleet::config {

constexpr std::size_t kMaxPage = 32u << 10;   // bytes of an error page
constexpr std::size_t kMaxUsers = 128u << 10;  // of a file of users
constexpr std::size_t kMaxFiles = 8u << 20;    // of all that all apps name: it travels in the routing table

// Those that stand in the app's own table and in its routes alike.
const Keys<Rules>& rule_keys();

// The [[app.NAME.route]] tables of an app's table, once all its other keys have been read: what a route does not say is
// as in the app.
void read_routes(const Node& app_table, AppConfig& app, const Context& context);

// Reads each file that the rules name, once.
void take_files(Config& config, const Context& context);

std::vector<SectionReference> rule_reference();

}  // namespace fleet::config
