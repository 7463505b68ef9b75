#include "access_log.hpp"

#include <gtest/gtest.h>

namespace fleet::proxy {
namespace {

TEST(AccessLog, WritesOneJsonObjectALine) {
  AccessEntry entry;
  entry.app = "shop", entry.release = 7, entry.target = "shop-7-0", entry.upstream = "127.0.0.1:20001";
  entry.client = "192.0.2.7", entry.method = "GET", entry.host = "h", entry.path = "/x";
  entry.status = 200, entry.bytes_in = 3, entry.bytes_out = 4;
  entry.first_byte = std::chrono::microseconds(1234), entry.total = std::chrono::microseconds(56007);
  std::string line;
  append_line(line, entry, std::chrono::system_clock::time_point(std::chrono::milliseconds(1795390270123)));
  EXPECT_EQ(
      line,
      "{\"ts\":\"2026-11-22T23:31:10.123Z\",\"app\":\"shop\",\"release\":7,\"target\":\"shop-7-0\","
      "\"upstream\":\"127.0.0.1:20001\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\"host\":\"h\",\"path\":\"/x\","
      "\"status\":200,\"bytes_in\":3,\"bytes_out\":4,\"first_byte_ms\":1.234,\"total_ms\":56.007}\n");
}

TEST(AccessLog, EscapesWhateverCouldForgeALine) {
  AccessEntry entry;
  entry.path = "/\"\\\n\x1b[2J\xff";
  std::string line;
  append_line(line, entry, {});
  EXPECT_NE(line.find("\"path\":\"/\\\"\\\\\\u000a\\u001b[2J\\u00ff\""), std::string::npos);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(AccessLog, CutsLongValues) {
  const std::string path(100000, 'a');
  AccessEntry entry;
  entry.path = path;
  std::string line;
  append_line(line, entry, {});
  EXPECT_LT(line.size(), 5000u);
}

}  // namespace
}  // namespace fleet::proxy
