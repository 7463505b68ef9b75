#include "fetch_test.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "os/dirs.hpp"
#include "os/unix_socket.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
constexpr int kPatience = 60'000;  // ms

bool readable(int fd) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, kPatience) == 1;
}

template <class M>
M must_decode(const wire::Frame& frame) {
  auto message = wire::decode<M>(frame.payload);
  EXPECT_TRUE(message);
  return message.value_or(M{});
}

}  // namespace

Fetcher::Fetcher(const wire::FetchJob& job, const std::vector<std::string>& env, const std::vector<std::string>& under) {
  auto [ours, theirs] = *os::unix_pair();
  os::Spawn spawn;
  spawn.argv = under;
  spawn.argv.push_back(FLEET_BIN_DIR "/fleet-fetch");
  spawn.env = env;
  spawn.fds = {theirs.get()};
  spawn.err = STDERR_FILENO;
  process_ = *os::spawn(spawn);
  link_ = std::move(ours);
  EXPECT_TRUE(os::send_some(link_.get(), wire::frame(job)));
}

Fetcher::~Fetcher() {
  if (reaped_ || !process_.pidfd) return;
  signal(SIGKILL);
  wait();
}

std::optional<wire::Frame> Fetcher::next_frame() {
  for (;;) {
    auto frame = reader_.next();
    EXPECT_TRUE(frame);
    if (!frame) return std::nullopt;
    if (*frame) return std::move(**frame);
    std::string bytes;
    std::vector<os::Fd> fds;
    if (!readable(link_.get())) return std::nullopt;
    const auto got = os::receive_some(link_.get(), bytes, fds);
    if (!got || got->closed) return std::nullopt;
    reader_.append(bytes);
  }
}

void Fetcher::signal(int number) { static_cast<void>(os::signal(process_.pidfd, number)); }

int Fetcher::wait() {
  EXPECT_TRUE(readable(process_.pidfd.get())) << "fleet-fetch does not end";
  const auto status = os::reap(process_.pidfd);
  reaped_ = true;
  return status && *status ? (*status)->code : -1;
}

void Fetcher::wait_at_most(std::chrono::nanoseconds time) {
  pollfd ended{process_.pidfd.get(), POLLIN, 0};
  const timespec limit{time.count() / 1'000'000'000, time.count() % 1'000'000'000};
  ::ppoll(&ended, 1, &limit, nullptr);
}

FetchTest::FetchTest() {
  std::string folder = fs::temp_directory_path() / "fleet-fetch-test-XXXXXX";
  root_ = ::mkdtemp(folder.data());
  fs::create_directory(root_ + "/releases");
  release_ = root_ + "/releases/1";
}

FetchTest::~FetchTest() { EXPECT_TRUE(os::remove_tree(root_)); }

wire::FetchJob FetchTest::job(const std::string& url) const {
  wire::FetchJob out;
  out.url = url;
  out.destination = release_;
  out.sha256 = sha256_;
  return out;
}

Fetched FetchTest::run(const wire::FetchJob& job, const std::vector<std::string>& under) {
  Fetcher fetcher(job, env_, under);
  Fetched out;
  while (const auto frame = fetcher.next_frame()) {
    if (frame->type == wire::FetchProgress::kType) out.progress.push_back(must_decode<wire::FetchProgress>(*frame));
    if (frame->type == wire::FetchDone::kType) out.done = must_decode<wire::FetchDone>(*frame);
    if (frame->type == wire::FetchFailed::kType) out.failed = must_decode<wire::FetchFailed>(*frame);
  }
  out.exit_code = fetcher.wait();
  return out;
}

std::string FetchTest::put(const std::string& name, const std::string& bytes) const {
  std::ofstream(root_ + "/" + name, std::ios::binary) << bytes;
  return root_ + "/" + name;
}

std::string FetchTest::content(const std::string& path) const {
  std::ifstream file(release_ + "/" + path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

unsigned FetchTest::mode(const std::string& path) const {
  struct stat is {};
  EXPECT_EQ(::lstat((release_ + "/" + path).c_str(), &is), 0) << path;
  return is.st_mode & 07777;
}

std::vector<std::string> FetchTest::releases() const {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(root_ + "/releases")) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

void FetchTest::expect_failed(const Fetched& fetched, wire::FetchPhase phase, const std::string& part) const {
  ASSERT_TRUE(fetched.failed) << fetched.error();
  EXPECT_THAT(fetched.failed->error, ::testing::HasSubstr(part));
  EXPECT_EQ(fetched.failed->phase, phase) << fetched.failed->error;
  EXPECT_EQ(fetched.failed->error.find('\n'), std::string::npos);
  EXPECT_EQ(fetched.exit_code, 1);
  EXPECT_THAT(releases(), ::testing::IsEmpty());
}

}  // namespace fleet::test
