#include "telemetry/access_log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <set>
#include <sstream>

namespace fleet::proxy {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

const std::chrono::system_clock::time_point kThen(std::chrono::milliseconds(1795390270123));

AccessEntry some_entry() {
  AccessEntry entry;
  entry.app = "shop", entry.release = 7, entry.target = "shop-7-0", entry.upstream = "127.0.0.1:20001";
  entry.client = "192.0.2.7", entry.method = "GET", entry.host = "h", entry.path = "/x", entry.protocol = "HTTP/1.1";
  entry.status = 200, entry.bytes_in = 3, entry.bytes_out = 4;
  entry.first_byte = microseconds(1234), entry.total = microseconds(56007);
  return entry;
}

std::string json_of(const AccessEntry& entry) {
  std::string line;
  append_json(line, entry, kThen);
  return line;
}

std::string combined_of(const AccessEntry& entry) {
  std::string line;
  append_combined(line, entry, kThen);
  return line;
}

TEST(AccessLog, WritesOneJsonObjectALine) {
  EXPECT_EQ(json_of(some_entry()),
            "{\"ts\":\"2026-11-22T23:31:10.123Z\",\"app\":\"shop\",\"release\":7,\"target\":\"shop-7-0\","
            "\"upstream\":\"127.0.0.1:20001\",\"client\":\"192.0.2.7\",\"method\":\"GET\",\"host\":\"h\",\"path\":\"/x\","
            "\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes_in\":3,\"bytes_out\":4,\"first_byte_ms\":1.234,"
            "\"total_ms\":56.007}\n");
}

TEST(AccessLog, SaysWhatIsOutOfTheOrdinaryOnlyWhereItIs) {
  auto entry = some_entry();
  entry.retries = 2, entry.held = microseconds(1500), entry.tls = "TLSv1.3", entry.error = "upstream-closed";
  entry.user_agent = "curl/8", entry.referer = "https://a/", entry.user = "eve";
  const auto line = nlohmann::json::parse(json_of(entry));
  EXPECT_EQ(line["retries"], 2);
  EXPECT_EQ(line["held_ms"], 1.5);
  EXPECT_EQ(line["tls"], "TLSv1.3");
  EXPECT_EQ(line["error"], "upstream-closed");
  EXPECT_EQ(line["user_agent"], "curl/8");
  EXPECT_EQ(line["referer"], "https://a/");
  EXPECT_EQ(line["user"], "eve");
}

TEST(AccessLog, HasNoNameThatTheManPageDoesNotExplain) {
  auto entry = some_entry();
  entry.retries = 2, entry.held = microseconds(1500), entry.tls = "TLSv1.3", entry.error = "upstream-closed";
  entry.user_agent = "curl/8", entry.referer = "https://a/", entry.user = "eve";
  std::stringstream read;
  read << std::ifstream(FLEET_SOURCE_DIR "/deploy/man/fleet-proxy.8").rdbuf();
  std::set<std::string> explained, written;
  bool within = false;
  for (std::string line; std::getline(read, line);) {
    if (line.starts_with(".SH")) within = line == ".SH ACCESS LOG";
    if (!within || !line.starts_with(".B ") || line.find("access_log") != line.npos) continue;
    std::stringstream names(line.substr(3));
    for (std::string name; names >> name;) explained.insert(name.substr(0, name.find(',')));
  }
  for (const auto& line : {json_of(entry), gap_line(fleet::AccessLog::json, "shop", 1, kThen)}) {
    const auto object = nlohmann::json::parse(line);
    for (const auto& [name, value] : object.items()) written.insert(name);
  }
  EXPECT_EQ(explained, written);
}

TEST(AccessLog, WritesTheCombinedFormat) {
  auto entry = some_entry();
  EXPECT_EQ(combined_of(entry), "192.0.2.7 - - [22/Nov/2026:23:31:10 +0000] \"GET /x HTTP/1.1\" 200 4 \"-\" \"-\"\n");
  entry.user = "eve", entry.referer = "https://a/?b=c", entry.user_agent = "Mozilla/5.0 (X11; \"odd\\one\")";
  entry.protocol = "HTTP/2.0", entry.path = "/\xc3\xa4\n";
  EXPECT_EQ(combined_of(entry),
            "192.0.2.7 - eve [22/Nov/2026:23:31:10 +0000] \"GET /\\xC3\\xA4\\x0A HTTP/2.0\" 200 4 \"https://a/?b=c\" "
            "\"Mozilla/5.0 (X11; \\x22odd\\x5Cone\\x22)\"\n");
}

TEST(AccessLog, SaysByTheCodeThatNginxMadeKnownThatAClientLeft) {
  auto entry = some_entry();
  entry.status = 0;
  EXPECT_NE(combined_of(entry).find("\" 499 "), std::string::npos);
}

TEST(AccessLog, KeepsItsFormWhateverComesFromOutside) {
  const std::regex combined(
      R"re(^[^ "]+ - [^"]+ \[[^\]"]+\] "[^"]*" [0-9]{3} [0-9]+ "[^"]*" "[^"]*"\n$)re");
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string values[6];
    for (auto& value : values) {
      value.resize(random() % 40);
      for (auto& c : value) c = static_cast<char>(random() % 4 == 0 ? "\"\\\n\r\0]\x7f"[random() % 7] : random());
    }
    auto entry = some_entry();
    entry.method = values[0], entry.host = values[1], entry.path = values[2], entry.referer = values[3];
    entry.user_agent = values[4], entry.error = values[5];
    const auto json = json_of(entry);
    EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
    const auto parsed = nlohmann::json::parse(json, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << json;
    EXPECT_EQ(parsed["status"], 200);
    const auto line = combined_of(entry);
    EXPECT_TRUE(std::regex_match(line, combined)) << line;
    EXPECT_TRUE(std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
  }
}

TEST(AccessLog, CutsLongValues) {
  const std::string path(100000, 'a');
  auto entry = some_entry();
  entry.path = path;
  EXPECT_LT(json_of(entry).size(), 5000u);
  EXPECT_LT(combined_of(entry).size(), 5000u);
}

TEST(AccessLog, SaysInItsFormatWhereLinesAreMissing) {
  EXPECT_EQ(gap_line(AccessLog::json, "shop", 12, kThen),
            "{\"ts\":\"2026-11-22T23:31:10.123Z\",\"app\":\"shop\",\"lines_lost\":12}\n");
  EXPECT_EQ(gap_line(AccessLog::combined, "shop", 12, kThen),
            "# [22/Nov/2026:23:31:10 +0000] lines lost before this one: 12\n");
}

// ---- writing

constexpr auto kBound = 30s;  // only a failure reaches it

// Both ends of a pipe; writing to it blocks once it is full, as a disk may.
struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out.reset(ends[0]);
    in = std::make_shared<const os::Fd>(os::Fd(ends[1]));
    ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
  }
  // From now on writing takes few turns, however busy the machine is.
  void widen() { ::fcntl(in->get(), F_SETPIPE_SZ, 1 << 20); }
  std::string read(std::size_t bytes) {
    std::string text;
    char part[4096];
    while (text.size() < bytes) {
      const auto got = ::read(out.get(), part, std::min(sizeof part, bytes - text.size()));
      if (got <= 0) break;
      text.append(part, static_cast<std::size_t>(got));
    }
    return text;
  }
  os::Fd out;
  std::shared_ptr<const os::Fd> in;
};

LogFile file_on(const Pipe& pipe) {
  LogFile file;
  file.app = "shop";
  file.fd = pipe.in;
  return file;
}

TEST(LogWriter, WritesInOrder) {
  Pipe pipe;
  LogWriter writer;
  const auto file = file_on(pipe);
  writer.write(file, "one\n", 1);
  writer.write(file, "two\nthree\n", 2);
  EXPECT_TRUE(writer.finish(kBound));
  EXPECT_EQ(pipe.read(14), "one\ntwo\nthree\n");
  EXPECT_EQ(writer.lost(), 0u);
}

TEST(LogWriter, NeverWaitsForAFileThatHangsAndSaysWhatItLost) {
  Pipe pipe;
  std::size_t kept = 0, lost = 0;
  const std::string batch = std::string(63, 'x') + "\n";
  std::string big;
  while (big.size() < (1u << 20)) big += batch;
  const auto lines = static_cast<std::uint32_t>(big.size() / batch.size());
  {
    LogWriter writer;
    const auto file = file_on(pipe);
    for (int i = 0; i < 20; ++i) writer.write(file, big, lines);
    EXPECT_FALSE(writer.finish(20ms));  // it hangs
    lost = writer.lost();
    kept = 20 * lines - lost;
    EXPECT_EQ(lost, 4 * lines);
    pipe.widen();
    const auto text = pipe.read(kept * batch.size());  // the disk comes back
    EXPECT_EQ(text.size(), kept * batch.size());
    EXPECT_TRUE(writer.finish(kBound));
    writer.write(file, "next\n", 1);
    EXPECT_TRUE(writer.finish(kBound));
    const auto after = pipe.read(gap_line(AccessLog::json, "shop", lost, kThen).size() + 5);
    EXPECT_NE(after.find("\"lines_lost\":" + std::to_string(lost) + "}\nnext\n"), std::string::npos) << after;
    EXPECT_EQ(writer.lost(), lost);
  }
}

TEST(LogWriter, LeavesBehindAThreadThatHangs) {
  Pipe pipe;
  auto writer = std::make_unique<LogWriter>();
  const auto file = file_on(pipe);
  writer->write(file, std::string(100000, 'x'), 1);
  writer.reset();  // returns
  EXPECT_EQ(pipe.read(100000).size(), 100000u);
}

TEST(LogWriter, CountsWhatAFullDiskDoesNotTakeAndGoesOnWithAWholeLine) {
  os::Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  LogFile file;
  file.app = "shop";
  file.fd = std::make_shared<const os::Fd>(std::move(full));
  LogWriter writer;
  writer.write(file, "one\ntwo\n", 2);
  writer.write(file, "three\n", 1);
  EXPECT_TRUE(writer.finish(kBound));
  EXPECT_EQ(writer.lost(), 3u);
  Pipe pipe;
  file.fd = pipe.in;
  writer.write(file, "four\n", 1);
  EXPECT_TRUE(writer.finish(kBound));
  const auto text = pipe.read(gap_line(AccessLog::json, "shop", 3, kThen).size() + 5);
  EXPECT_NE(text.find("\"lines_lost\":3}\nfour\n"), std::string::npos) << text;
}

TEST(LogWriter, LosesWhatHasNoFile) {
  LogWriter writer;
  writer.write(LogFile{}, "one\n", 1);
  EXPECT_EQ(writer.lost(), 1u);
}

TEST(AccessLogs, WriteWhatGatheredToTheFileOfThatTime) {
  Pipe before, after;
  AccessLogs logs;
  logs.write_with(std::make_shared<LogWriter>());
  logs.open("shop", os::Fd(::dup(before.in->get())));
  const auto log = logs.of("shop", AccessLog::combined);
  EXPECT_EQ(logs.of("quiet", AccessLog::off), nullptr);
  auto entry = some_entry();
  entry.path = "/before";
  logs.add(*log, entry);
  logs.open("shop", os::Fd(::dup(after.in->get())));
  entry.path = "/after";
  logs.add(*log, entry);
  logs.finish(kBound);
  EXPECT_NE(before.read(70).find("GET /before "), std::string::npos);
  EXPECT_NE(after.read(70).find("GET /after "), std::string::npos);
  EXPECT_EQ(logs.lost(), 0u);
}

}  // namespace
}  // namespace fleet::proxy
