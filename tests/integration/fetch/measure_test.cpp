// How long fleet-fetch takes for a large build, beside the shell's way to do the same. Not part of
// the suite: FLEET_MEASURE=MIB says how large (500), FLEET_MEASURE_DIR where (the temporary folder).
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "fetch_test.hpp"
#include "os/dirs.hpp"

namespace fleet::test {
namespace {

namespace fs = std::filesystem;
using Seconds = std::chrono::duration<double>;

// An eighth of it compresses well, the rest not at all, in files of 1 MiB.
void make_build(const std::string& folder, std::size_t mebibytes) {
  std::mt19937_64 random(1);
  std::string noise(1u << 20, '\0');
  for (std::size_t i = 0; i < mebibytes * 8 / 7; ++i) {
    for (std::size_t at = 0; at + 8 <= noise.size(); at += 8) {
      const auto word = at % 64 < 56 ? random() : 0x2020202020202020ull;
      std::memcpy(&noise[at], &word, 8);
    }
    std::ofstream(folder + "/file-" + std::to_string(i), std::ios::binary) << noise;
  }
}

void shell(const std::string& command) { ASSERT_EQ(std::system(("bash -o pipefail -c '" + command + "'").c_str()), 0) << command; }

double timed(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return Seconds(std::chrono::steady_clock::now() - began).count();
}

TEST_F(FetchTest, MeasuresALargeBuildBesideTheShell) {
  const char* wanted = std::getenv("FLEET_MEASURE");
  if (!wanted) GTEST_SKIP() << "only where it is asked for";
  fs::create_directories(root_ + "/files");
  make_build(root_ + "/files", std::strtoul(wanted, nullptr, 10));
  shell("tar -C " + root_ + "/files -cf - . | zstd -q -1 -o " + root_ + "/build.tar.zst");
  ASSERT_TRUE(os::remove_tree(root_ + "/files"));
  // A server of its own, so that neither way is helped by another's.
  std::FILE* server = ::popen(("cd " + root_ + " && exec python3 -u -c 'import http.server as h; "
                               "s = h.ThreadingHTTPServer((\"127.0.0.1\", 0), h.SimpleHTTPRequestHandler); "
                               "import os; print(s.server_address[1], os.getpid(), flush=True); s.serve_forever()' 2>/dev/null")
                                  .c_str(),
                              "r");
  int port = 0, pid = 0;
  ASSERT_EQ(std::fscanf(server, "%d %d", &port, &pid), 2);
  const auto url = "http://127.0.0.1:" + std::to_string(port) + "/build.tar.zst";
  std::printf("build: %.0f MiB\n", static_cast<double>(fs::file_size(root_ + "/build.tar.zst")) / (1 << 20));
  for (int round = 0; round < 3; ++round) {
    const auto unpacked = root_ + "/unpacked", sum = root_ + "/sum";
    fs::create_directory(unpacked);
    ::sync();
    const auto of_shell = timed([&] {
      shell("curl -s " + url + " | tee >(sha256sum > " + sum + ") | tar --zstd -x -C " + unpacked);
    });
    const auto with_sync = of_shell + timed([&] { shell("sync -f " + unpacked); });
    ASSERT_TRUE(os::remove_tree(unpacked));
    ::sync();
    auto fetch = job(url);
    fetch.allow_insecure = true;
    fetch.max_download = fetch.max_unpacked = 1ull << 40;
    Fetched fetched;
    const auto of_fleet = timed([&] { fetched = run(fetch); });
    ASSERT_TRUE(fetched.done) << fetched.error();
    std::printf("round %d: fleet-fetch %.2f s, the shell %.2f s (ratio %.2f), with sync %.2f s (ratio %.2f)\n",
                round, of_fleet, of_shell, of_fleet / of_shell, with_sync, of_fleet / with_sync);
    ASSERT_TRUE(os::remove_tree(release_));
  }
  ::kill(pid, SIGTERM);
  ::pclose(server);
}

}  // namespace
}  // namespace fleet::test
