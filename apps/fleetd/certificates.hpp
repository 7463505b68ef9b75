// The certificates of [[tls]], each by itself: a bad one leaves the others as they are, and its own last good version in
// use. Workers open no files, so fleetd reads them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"
#include "core/config.hpp"
#include "tls/load.hpp"
#include "wire/messages.hpp"

namespace fleet {

class Certificates {
 public:
  struct Notice {
    enum class Kind : std::uint8_t { refused, renewed, expires, warning };
    Kind kind = Kind::warning;
    std::string file, text;  // text names the file
  };
  struct Outcome {
    bool changed = false;  // what is in force
    std::vector<Notice> notices;
  };

  // `own_dir`: where the self-signed one for localhost is kept, which https falls back on when there is none.
  explicit Certificates(std::string own_dir) : own_dir_(std::move(own_dir)) {}

  // What workers have had from a former fleetd: the last good versions, should the files be bad by now.
  void remember(const std::vector<wire::Certificate>& held);

  // Times are seconds since the epoch.
  Outcome configure(const std::vector<TlsConfig>& configured, bool https, std::int64_t now);
  Outcome refresh(std::int64_t now);  // reads what has changed on disk; looks at the dates
  Outcome refused_by_workers(const std::vector<wire::RefusedCertificate>& refused);

  std::vector<wire::Certificate> in_force() const;  // the first is the default
  std::vector<api::CertificateView> view(std::int64_t now) const;
  std::vector<std::string> files() const;

 private:
  struct Good {
    wire::Certificate pair;
    tls::Facts facts;
    std::vector<std::string> warnings;
  };
  struct Entry {
    TlsConfig files;
    std::string stamp;          // of both, when they were read
    std::optional<Good> good;   // what is served
    std::string problem;        // why the files as they are will not do; empty: they are what is served
    unsigned alarm = 0;         // of its expiry, that was spoken of
  };
  void read(Entry& entry, const tls::Roots& roots, std::int64_t now, Outcome& outcome);
  void look_at_dates(std::int64_t now, Outcome& outcome);
  void fall_back(std::int64_t now, Outcome& outcome);

  const std::string own_dir_;
  std::vector<Entry> entries_;
  std::vector<wire::Certificate> held_;
  std::optional<wire::Certificate> own_;
  bool https_ = false;
};

}  // namespace fleet
