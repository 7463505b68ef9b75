#include "fetcher.hpp"

#include <cstdlib>

#include "child.hpp"
#include "net/channel.hpp"
#include "os/dirs.hpp"
#include "os/unix_socket.hpp"

namespace fleet {

struct Fetcher::Run {
  net::Channel channel;
  os::Process process;
  Progress progress;
  Done done;
  bool cancelled = false;
};

void Fetcher::start(wire::FetchJob job, Progress progress, Done done) {
  cancel();
  const auto begin = [&]() -> Result<> {
    // What an earlier attempt at this release may have left.
    if (!job.destination.empty()) TRYV(os::remove_tree(job.destination));
    TRY(auto ends, os::unix_pair());
    os::Spawn spawn;
    spawn.argv = {paths_.programs + "/fleet-fetch"};
    // libcurl brings GnuTLS, which it uses for nothing here and which tests itself when it is loaded: half of the start.
    spawn.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "GNUTLS_NO_IMPLICIT_INIT=1"};
    for (const auto* name : {"http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
      if (const char* value = std::getenv(name)) spawn.env.push_back(std::string(name) + "=" + value);
    }
    spawn.cwd = "/";
    spawn.fds = {ends.second.get()};
    TRY(os::Process process, os::spawn(spawn));
    run_ = std::make_shared<Run>(Run{net::Channel(io_, std::move(ends.first)), std::move(process), progress, done});
    run_->channel.send(job);
    return {};
  };
  if (auto begun = begin(); !begun) {
    begun.error().kind = ErrorKind::fetch;
    return done(std::unexpected(std::move(begun.error())));
  }
  tasks_.spawn(follow(run_));
}

void Fetcher::cancel() {
  if (!run_) return;
  run_->cancelled = true;
  run_->channel.close();  // it cleans up after itself and ends
  run_.reset();
}

net::Task<> Fetcher::follow(std::shared_ptr<Run> run) {
  Result<wire::FetchDone> result = fail(ErrorKind::fetch, "fleet-fetch ended without an answer");
  for (bool over = false; !over;) {
    auto message = co_await run->channel.receive();
    if (!message || run->cancelled) break;
    if (message->is<wire::FetchProgress>()) {
      if (auto progress = message->as<wire::FetchProgress>()) run->progress(*progress);
    } else if (message->is<wire::FetchDone>()) {
      result = message->as<wire::FetchDone>();
      over = true;
    } else if (message->is<wire::FetchFailed>()) {
      over = true;
      const auto failed = message->as<wire::FetchFailed>();
      const bool verify = failed && failed->phase == wire::FetchPhase::verify;
      result = fail(verify ? ErrorKind::verify : ErrorKind::fetch, failed ? failed->error : failed.error().text);
    }
  }
  (void)co_await wait_exit(io_, std::move(run->process));
  if (run->cancelled) co_return;
  if (run_ == run) run_.reset();
  run->done(std::move(result));
}

}  // namespace fleet
