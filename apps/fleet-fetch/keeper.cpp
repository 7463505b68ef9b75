#include "keeper.hpp"

#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "acquire.hpp"
#include "clone.hpp"
#include "fetch.hpp"
#include "os/unix_socket.hpp"
#include "reuse.hpp"
#include "sandbox.hpp"
#include "source.hpp"
#include "trust/version.hpp"

namespace fleet::fetch {
namespace {

constexpr int kLookEvery = 100;  // ms: how soon SIGTERM is seen

// A child that is ended and reaped at the latest when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    static_cast<void>(wait());
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
};

bool is_plain_path(const std::string& url) { return url.starts_with('/') || url.starts_with("file:"); }

Result<wire::FetchDone> read_confined(const wire::FetchJob& job, pid_t keeper, Prepared prepared, Progress& progress) {
  TRYV(become(job.uid, job.gid));
  if (::getppid() != keeper) return fail(ErrorKind::aborted, "stopped");
  if (prepared.root >= 0 ? ::fchdir(prepared.root) != 0 : ::chdir("/") != 0) return fail_errno("cannot enter the release", errno);
  TRYV(limit_resources(std::max(job.max_download, job.max_unpacked)));
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail("cannot start libcurl");
  TRYV(confine_files(prepared.root));
  TRYV(deny_dangerous_calls());
  return fetch(job, std::move(prepared), progress);
}

[[noreturn]] void read_and_exit(const wire::FetchJob& job, pid_t keeper, Prepared prepared, int socket) {
  Link link(socket);
  Progress progress(link, job.timeout);
  auto done = read_confined(job, keeper, std::move(prepared), progress);
  if (done) static_cast<void>(link.send(*done));
  else static_cast<void>(link.send(wire::FetchFailed{progress.phase(), done.error().text}));
  ::_exit(done ? 0 : 1);
}

}  // namespace

Result<wire::FetchDone> Keeper::run() {
  if (!job_.look_only) {
    TRY(auto staging, Staging::create(job_.destination));
    staging_.emplace(std::move(staging));
    TRYV(pack_if_folder());
  }
  auto known = known_by_its_digest();
  TRY(auto done, known ? std::move(known) : read());
  if (done.reused > 0) {
    if (done.reused > job_.known.size()) return fail("the reader names a build that it was not told of");
    if (auto linked = clone_release(job_.known[done.reused - 1].folder, staging_->root()); !linked) {
      // Another disk, too many links, or it is being removed: then it is fetched as if it were not known.
      TRYV(staging_->empty());
      job_.known.clear();
      TRY(done, read());
    }
  }
  if (!staging_ || done.unchanged) return done;
  return publish(std::move(done));
}

// What was asked for by its digest, and is there, needs no reader. One of a lower version is left for it to refuse.
Result<wire::FetchDone> Keeper::known_by_its_digest() const {
  if (job_.look_only || packed_ || !job_.known_etag.empty()) return fail("not asked for by a digest");
  TRY(const Source source, parse_source(job_.url));
  const auto number = known_as(job_, job_.sha256, source.basename);
  if (number == 0) return fail("not known");
  auto done = done_as_known(job_, number);
  const auto order = compare_versions(done.version, job_.version);
  if (order && *order < 0) return fail("of a lower version");
  return done;
}

// By ourselves: no stranger's format is read, and the files may be nobody else's to read.
Result<> Keeper::pack_if_folder() {
  if (!is_plain_path(job_.url)) return {};
  TRY(const Source source, parse_source(job_.url));
  if (!source.local) return {};
  auto folder = files_.open(source.path);
  struct stat is {};
  if (!folder || ::fstat(folder->get(), &is) != 0 || !S_ISDIR(is.st_mode)) return {};  // the reader says what is wrong
  if (!job_.trusted_keys.empty()) {
    return fail(ErrorKind::verify, source.shown + ": a folder has no signature, but the app has trusted_keys");
  }
  Progress progress(link_, job_.timeout);
  TRYV(progress.enter(wire::FetchPhase::download, 0));
  TRY(auto scratch, Scratch::create(job_.max_download));
  TRYV(pack_folder(source, *folder, job_, scratch, progress));
  packed_.emplace(std::move(scratch));
  return {};
}

Result<wire::FetchDone> Keeper::read() {
  TRY(auto link, os::unix_pair());
  TRY(auto questions, os::unix_pair());
  if (staging_) TRYV(staging_->give_to(job_.uid, job_.gid));
  const pid_t keeper = ::getpid(), pid = ::fork();
  if (pid < 0) return fail_errno("cannot start the reader", errno);
  if (pid == 0) {
    link.first.reset();
    questions.first.reset();
    ::close(link_.fd());
    AskedFiles files(questions.second.get());
    read_and_exit(job_, keeper, Prepared{staging_ ? staging_->root() : -1, files, std::move(packed_)}, link.second.get());
  }
  Child child(pid);
  link.second.reset();
  questions.second.reset();
  bool has_ended = false;
  auto done = follow(link.first.get(), questions.first.get(), has_ended);
  if (!has_ended) return done;  // and it is made to
  const int status = child.wait();
  if (WIFSIGNALED(status)) {
    return fail("fleet-fetch's reader was killed by signal " + std::to_string(WTERMSIG(status)));
  }
  return done;
}

// Until the reader has ended, or is to.
Result<wire::FetchDone> Keeper::follow(int reader, int questions, bool& has_ended) {
  wire::FrameReader frames;
  std::optional<Result<wire::FetchDone>> outcome;
  for (;;) {
    pollfd wanted[] = {{reader, POLLIN, 0}, {link_.fd(), POLLIN | POLLRDHUP, 0}, {questions, POLLIN, 0}};
    ::poll(wanted, questions >= 0 ? 3 : 2, kLookEvery);
    if (link_.stop_asked()) return fail(ErrorKind::aborted, "stopped");
    // What reads archives asks for no files.
    if (phase_ != wire::FetchPhase::download) questions = -1;
    if (questions >= 0 && wanted[2].revents != 0 && !files_.answer(questions)) questions = -1;
    if (wanted[0].revents == 0) continue;
    std::string bytes;
    std::vector<os::Fd> none;
    const auto got = os::receive_some(reader, bytes, none);
    has_ended = !got || got->closed;
    if (has_ended) break;
    frames.append(bytes);
    for (;;) {
      TRY(const auto frame, frames.next());
      if (!frame) break;
      TRYV(take(*frame, outcome));
    }
  }
  return outcome ? std::move(*outcome) : fail("fleet-fetch's reader ended without an answer");
}

Result<> Keeper::take(const wire::Frame& frame, std::optional<Result<wire::FetchDone>>& outcome) {
  if (frame.type == wire::FetchProgress::kType) {
    TRY(const auto progress, wire::decode<wire::FetchProgress>(frame.payload));
    phase_ = progress.phase;
    return link_.send(progress);
  }
  if (frame.type == wire::FetchDone::kType) {
    outcome = wire::decode<wire::FetchDone>(frame.payload);
  } else {
    TRY(auto failed, wire::decode<wire::FetchFailed>(frame.payload));
    phase_ = failed.phase;
    outcome = fail(std::move(failed.error));
  }
  return {};
}

Result<wire::FetchDone> Keeper::publish(wire::FetchDone done) {
  if (done.reused == 0) TRYV(staging_->take_back());
  TRYV(staging_->publish(done.reused == 0 ? Staging::Sync::all : Staging::Sync::done));
  return done;
}

}  // namespace fleet::fetch
