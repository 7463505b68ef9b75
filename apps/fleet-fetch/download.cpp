#include <poll.h>

#include <chrono>
#include <string>
#include <utility>

#include "acquire.hpp"
#include "http_get.hpp"

namespace fleet::fetch {
namespace {

constexpr std::chrono::milliseconds kFirstPause{200};  // doubles with each retry

// One attempt: GETs along the redirects, from the first URL on, since where it leads may have expired.
Outcome attempt(const Source& first, const wire::FetchJob& job, Scratch& scratch, Known& known, Progress& progress,
                std::string_view unless) {
  Source at = first;
  for (int redirects = 0;; ++redirects) {
    HttpGet get(at, job, scratch, known, progress, unless);
    Outcome out = get.run();
    if (out.next != Outcome::Next::redirect) {
      // Being stopped has nothing to do with the server.
      if (out.error.kind != ErrorKind::aborted) out.error = std::move(out.error).in(at.shown);
      return out;
    }
    if (redirects == kMaxRedirects) {
      const std::string text = first.shown + ": more than " + std::to_string(kMaxRedirects) + " redirects";
      return {Outcome::Next::give_up, {}, {ErrorKind::fetch, text}};
    }
    auto next = redirected(at, out.location);
    if (!next) return {Outcome::Next::give_up, {}, std::move(next).error()};
    at = std::move(*next);
  }
}

Result<> pause(std::chrono::milliseconds time, Scratch& scratch, Progress& progress) {
  pollfd link{progress.link().fd(), POLLIN | POLLRDHUP, 0};
  ::poll(&link, 1, static_cast<int>(time.count()));
  return progress.reach(scratch.size());
}

}  // namespace

Result<> download(const Source& source, const wire::FetchJob& job, Scratch& scratch, Progress& progress,
                  Received& received) {
  const auto unless = std::exchange(received.etag, "");
  Known known;
  auto wait = kFirstPause;
  for (int retries = 0;; ++retries, wait *= 2) {
    Outcome out = attempt(source, job, scratch, known, progress, unless);
    received.unchanged = out.next == Outcome::Next::unchanged;
    received.etag = received.unchanged ? unless : known.etag;
    switch (out.next) {
      case Outcome::Next::done:
      case Outcome::Next::unchanged: return {};
      case Outcome::Next::redirect:
      case Outcome::Next::give_up: return std::unexpected(std::move(out.error));
      case Outcome::Next::retry: break;
    }
    if (retries == kRetries) {
      out.error.text += " (tried " + std::to_string(kRetries + 1) + " times)";
      return std::unexpected(std::move(out.error));
    }
    TRYV(pause(wait, scratch, progress));
  }
}

}  // namespace fleet::fetch
