// deploy/man/fleet.toml.5 and fleet-app.toml.5 between their two marks are what the table of keys says. FLEET_UPDATE_GOLDEN=1 writes it anew.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "config/keys.hpp"
#include "read.hpp"

namespace fleet::config::test {
namespace {

const std::string kBegin = ".\\\" begin: generated from libs/config/keys.cpp\n", kEnd = ".\\\" end\n";

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '-')
      out += "\\-";
    else if (c == '\\')
      out += "\\e";
    else if (c == '~')
      out += "\\(ti";
    else if (c == '^')
      out += "\\(ha";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string default_of(const KeyReference& key) {
  if (key.required) return "Required.";
  return "Default: " + roff(key.fallback) + ".";
}

std::string generated(const std::vector<SectionReference>& sections) {
  std::string page;
  for (const auto& section : sections) {
    page += ".SS " + roff(section.heading) + "\n" + roff(section.meaning) + "\n";
    for (const auto& key : section.keys) {
      page += ".TP\n.BR " + roff(key.name) + " \" (" + roff(key.type) + ")\"\n" + roff(key.meaning) + "\n";
      if (!key.range.empty()) page += "Range: " + roff(key.range) + ".\n";
      page += default_of(key) + "\n";
    }
  }
  return page;
}

void expect_page(const std::string& path, const std::vector<SectionReference>& sections) {
  auto page = file(path);
  const auto begin = page.find(kBegin), end = page.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const auto from = begin + kBegin.size();
  if (std::getenv("FLEET_UPDATE_GOLDEN") != nullptr) {
    page.replace(from, end - from, generated(sections));
    std::ofstream(std::string(FLEET_SOURCE_DIR) + "/" + path, std::ios::binary) << page;
    return;
  }
  EXPECT_EQ(page.substr(from, end - from), generated(sections)) << "run unit-config with FLEET_UPDATE_GOLDEN=1";
}

TEST(ManPage, SaysWhatTheTableOfKeysSays) { expect_page("deploy/man/fleet.toml.5", reference()); }
TEST(ManPage, SaysWhatMayStandInABuild) { expect_page("deploy/man/fleet-app.toml.5", app_file_reference()); }

TEST(ManPage, SaysSomethingOfEveryKey) {
  std::size_t keys = 0;
  for (const auto& section : reference()) {
    EXPECT_FALSE(section.meaning.empty()) << section.heading;
    for (const auto& key : section.keys) {
      EXPECT_FALSE(key.type.empty() || key.meaning.empty()) << key.name;
      EXPECT_TRUE(key.required || !key.fallback.empty()) << key.name;
      ++keys;
    }
  }
  EXPECT_GE(keys, 33u);
}

}  // namespace
}  // namespace fleet::config::test
