// Runs the real fleet-fetch as fleetd does, with a folder for releases that must be empty after a failure.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/fd.hpp"
#include "os/process.hpp"
#include "wire/frame.hpp"
#include "wire/messages.hpp"

namespace fleet::test {

// One running fleet-fetch, ended at the latest when this goes.
class Fetcher {
 public:
  // `under`: a command that runs it, strace for example; empty: none.
  Fetcher(const wire::FetchJob& job, const std::vector<std::string>& env, const std::vector<std::string>& under = {});
  Fetcher(Fetcher&&) = default;
  ~Fetcher();

  std::optional<wire::Frame> next_frame();  // nothing at the end of the link
  pid_t pid() const { return process_.pid; }
  void hang_up() { link_.reset(); }
  void signal(int number);
  int wait();  // exit code
  void wait_at_most(std::chrono::nanoseconds time);

 private:
  os::Fd link_;
  os::Process process_;
  wire::FrameReader reader_;
  bool reaped_ = false;
};

struct Fetched {
  std::optional<wire::FetchDone> done;
  std::optional<wire::FetchFailed> failed;
  std::vector<wire::FetchProgress> progress;
  int exit_code = -1;

  std::string error() const { return failed ? failed->error : done ? "(done)" : "(no answer)"; }
};

class FetchTest : public ::testing::Test {
 protected:
  FetchTest();
  ~FetchTest() override;

  wire::FetchJob job(const std::string& url) const;
  Fetched run(const wire::FetchJob& job, const std::vector<std::string>& under = {});
  Fetched run(const std::string& url) { return run(job(url)); }

  // A file beside the releases, with these bytes; its path.
  std::string put(const std::string& name, const std::string& bytes) const;
  std::string content(const std::string& path_in_release) const;
  unsigned mode(const std::string& path_in_release) const;
  std::vector<std::string> releases() const;  // names in the folder of releases, sorted
  // The fetch failed in this phase, saying this, and has left nothing.
  void expect_failed(const Fetched& fetched, wire::FetchPhase phase, const std::string& part_of_error) const;

  std::string root_, release_, sha256_;  // the digest that is asked for; empty: none
  std::vector<std::string> env_{"PATH=/usr/bin:/bin"};
};

}  // namespace fleet::test
