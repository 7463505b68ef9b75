// Health checks of all instances. Those in rotation are asked on connections that are kept, and their answers are looked for
// at moments that all share, since each that came by itself would wake this process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/task_group.hpp"
#include "probe.hpp"

namespace fleet {

class Probes {
 public:
  using Tell = std::function<void(const std::string& app, const std::string& instance, ProbeReport report)>;
  Probes(net::asio::io_context& io, net::TaskGroup& tasks, Tell tell) : io_(io), tasks_(tasks), tell_(std::move(tell)) {}

  // `keeps`: it is in rotation; before that a new connection is answered sooner. So is one while another probe of it, from
  // before it left rotation and came back, is still under way.
  void begin(const std::string& app, const std::string& instance, ProbeTarget target, bool keeps);

  // Closes the connections to those of its instances of which `stays` is not true; what is under way on them fails.
  void hang_up(const std::string& app, const std::function<bool(const std::string& instance)>& stays);

 private:
  struct Asked {
    std::string app, instance;
    ProbeTarget target;
    std::shared_ptr<ProbeLine> line;
  };
  net::Task<> run(Asked asked);
  net::Task<> gather();

  net::asio::io_context& io_;
  net::TaskGroup& tasks_;
  Tell tell_;
  std::map<std::string, std::map<std::string, std::shared_ptr<ProbeLine>>> lines_;  // by app and instance
  std::vector<Asked> asked_;  // whose answers are to be looked for
};

}  // namespace fleet
