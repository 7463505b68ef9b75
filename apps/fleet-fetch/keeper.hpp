// The process that fleetd has started keeps the release's folder and opens local files; what reads from strangers is a
// child of its, with a user of its own where that can be, that can write into that folder only and is gone before
// anything of it gets its name.
#pragma once

#include <optional>

#include "core/result.hpp"
#include "link.hpp"
#include "local_files.hpp"
#include "scratch.hpp"
#include "staging.hpp"
#include "wire/messages.hpp"

namespace fleet::fetch {

class Keeper {
 public:
  Keeper(Link& link, wire::FetchJob job) : link_(link), job_(std::move(job)), files_(job_) {}

  // On an error phase() tells where it came up, and nothing is left behind.
  Result<wire::FetchDone> run();
  wire::FetchPhase phase() const { return phase_; }

 private:
  Result<wire::FetchDone> read();
  Result<wire::FetchDone> known_by_its_digest() const;
  Result<> pack_if_folder();
  Result<wire::FetchDone> follow(int reader, int questions, bool& has_ended);
  Result<> take(const wire::Frame& frame, std::optional<Result<wire::FetchDone>>& outcome);
  Result<wire::FetchDone> publish(wire::FetchDone done);

  Link& link_;
  wire::FetchJob job_;
  OwnFiles files_;
  std::optional<Staging> staging_;  // none: look only
  std::optional<Scratch> packed_;   // a local folder
  wire::FetchPhase phase_ = wire::FetchPhase::download;
};

}  // namespace fleet::fetch
