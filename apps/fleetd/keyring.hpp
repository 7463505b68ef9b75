// What workers need for https, kept right: certificates as their files change, ticket keys as they age. What is told to
// workers goes through here, so that the two do not overtake each other.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/views.hpp"
#include "certificates.hpp"
#include "file_watch.hpp"
#include "net/task.hpp"
#include "tls/tickets.hpp"
#include "wire/messages.hpp"

namespace fleet {

class Keyring {
 public:
  // Has all workers take these keys; which certificates they refused. Error: a worker did not take them.
  using Publish = std::function<net::Task<Result<std::vector<wire::RefusedCertificate>>>(wire::Keys)>;
  using Report = std::function<void(api::EventView)>;
  using Now = std::function<std::int64_t()>;  // seconds since the epoch

  static std::int64_t wall_clock();
  Keyring(net::asio::io_context& io, std::string own_dir, Publish publish, Report report, Now now = wall_clock);

  // The keys to begin with. `held`: of workers of a former fleetd. Bad certificates are reported, never an error.
  wire::Keys begin(const Config& config, const std::vector<wire::Keys>& held);

  // Follows files, dates and ages. Ends when it is cancelled.
  net::Task<> keep_current();

  // Another configuration. Returns when the workers have it, or are given up on for now.
  net::Task<> configure(Config config);

  std::vector<api::CertificateView> view() const { return certificates_.view(now_()); }

 private:
  void tell(const Certificates::Outcome& outcome);
  wire::Keys keys() const;
  net::Task<> refresh();
  net::Task<bool> publish();
  net::Task<> rotate();

  net::Timer timer_;
  Publish publish_;
  Report report_;
  Now now_;
  Certificates certificates_;
  tls::TicketKeys tickets_;
  FileWatch watch_;
  std::optional<net::Timer::time_point> first_change_, last_change_;  // of files, since they were read
  bool behind_ = false;  // a worker may not have what is in force
};

}  // namespace fleet
