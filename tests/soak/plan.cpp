#include "plan.hpp"

#include <array>

namespace fleet::soak {
namespace {

struct Share {
  Operation operation;
  unsigned percent;
};
constexpr Share kShares[] = {{Operation::deploy, 56},   {Operation::deploy_bad, 4}, {Operation::deploy_abort, 6},
                             {Operation::rollback, 8},  {Operation::restart, 8},    {Operation::reload, 8},
                             {Operation::upgrade, 6},   {Operation::fleetd_restart, 4}};

milliseconds lasting(FaultKind kind, std::mt19937_64& random) {
  static constexpr std::array away = {milliseconds(0), milliseconds(200), milliseconds(5000)};
  static constexpr std::array stopped = {milliseconds(50), milliseconds(500), milliseconds(2500)};
  switch (kind) {
    case FaultKind::kill_fleetd: return away[random() % away.size()];
    case FaultKind::stop_fleetd:
    case FaultKind::stop_worker:
    case FaultKind::stop_instance: return stopped[random() % stopped.size()];
    case FaultKind::starve: return milliseconds(1000);
    case FaultKind::kill_worker:
    case FaultKind::kill_instance:
    case FaultKind::kill_shim: return milliseconds(0);
  }
  return milliseconds(0);
}

}  // namespace

Result<std::vector<FaultKind>> parse_faults(std::string_view text) {
  std::vector<FaultKind> kinds;
  if (text == "none") return kinds;
  if (text == "all") {
    for (std::size_t i = 0; i < enum_count<FaultKind>(); ++i) kinds.push_back(static_cast<FaultKind>(i));
    return kinds;
  }
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    const auto kind = from_name<FaultKind>(text.substr(0, comma));
    if (!kind) return fail(ErrorKind::usage, "no such fault: " + std::string(text.substr(0, comma)));
    kinds.push_back(*kind);
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return kinds;
}

PlannedFault FaultPlan::next() {
  PlannedFault fault;
  fault.kind = kinds_.at(random_() % kinds_.size());
  fault.after = milliseconds(100 + random_() % 1500);
  fault.lasting = lasting(fault.kind, random_);
  fault.victim = static_cast<std::uint32_t>(random_());
  return fault;
}

PlannedOperation OperationPlan::next() {
  PlannedOperation planned;
  auto dice = random_() % 100;
  for (const auto& [operation, percent] : kShares) {
    planned.operation = operation;
    if (dice < percent) break;
    dice -= percent;
  }
  planned.delay = milliseconds(random_() % 4 == 0 ? random_() % 800 : 0);
  if (planned.operation == Operation::deploy_abort) planned.delay = milliseconds(random_() % 600);
  return planned;
}

}  // namespace fleet::soak
