#include "doctor/findings.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "text.hpp"
#include "tls/inspect.hpp"

namespace fleet::ctl::doctor {
namespace {

constexpr std::uint64_t kMiB = 1u << 20, kGiB = 1u << 30;
constexpr std::uint64_t kDiskError = 100 * kMiB, kDiskWarning = kGiB;
constexpr std::uint64_t kMemoryError = 64 * kMiB, kMemoryWarning = 256 * kMiB;
constexpr std::uint64_t kFewInodes = 1000;
constexpr std::uint64_t kFilesError = 4096, kFilesWarning = 65536;

using Findings = std::vector<Finding>;

Finding fine(std::string check, std::string what) { return {Level::ok, std::move(check), std::move(what), {}}; }
Finding warn(std::string check, std::string what, std::string mend) {
  return {Level::warning, std::move(check), std::move(what), std::move(mend)};
}
Finding wrong(std::string check, std::string what, std::string mend) {
  return {Level::error, std::move(check), std::move(what), std::move(mend)};
}

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode));
  return text;
}

std::string pids(const std::vector<Process>& processes) {
  std::string text;
  for (const auto& process : processes) {
    text += (text.empty() ? "" : ", ") + (process.id.empty() ? process.name : process.id) + " (pid " + std::to_string(process.pid) + ")";
  }
  return text;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// ---- fleetd, its configuration and files -----------------------------------------------------------------------------

void judge_rights_of_ours(const Facts& facts, Findings& out) {
  if (facts.all_seen) return;
  out.push_back(warn("rights", "not all could be looked at", "run fleetctl doctor as root, or as fleetd's user"));
}

void judge_config(const Facts& facts, Findings& out) {
  if (facts.config_problems.empty()) {
    return out.push_back(fine("config", facts.config_file + ", " + count(facts.config.apps.size(), "app")));
  }
  const auto more = facts.config_problems.size() - 1;
  out.push_back(wrong("config", facts.config_problems.front() + (more == 0 ? "" : " (and " + std::to_string(more) + " more)"),
                      "fleetctl config check " + facts.config_file));
}

void judge_fleetd(const Facts& facts, Findings& out) {
  if (facts.status) {
    return out.push_back(fine("fleetd", facts.status->version + ", pid " + std::to_string(facts.status->pid)));
  }
  const std::string mend = facts.unit.empty() ? "start fleetd; its log says why it ended"
                                              : "systemctl start " + facts.unit + "; journalctl -u " + facts.unit + " says why it ended";
  out.push_back(wrong("fleetd", facts.no_answer, mend));
}

void judge_socket(const Facts& facts, Findings& out) {
  const auto& socket = facts.socket;
  if (!facts.status || socket.kind == FileKind::missing) return;
  if (socket.kind != FileKind::socket) return out.push_back(wrong("socket", socket.path + " is no socket", "remove it and restart fleetd"));
  if ((socket.mode & 07) != 0) {
    return out.push_back(wrong("socket", socket.path + " has mode " + octal(socket.mode) + ": everybody may deploy", "chmod 0660 " + socket.path));
  }
  if (socket.mode != 0660) {
    return out.push_back(warn("socket", socket.path + " has mode " + octal(socket.mode) + ", not 0660", "chmod 0660 " + socket.path));
  }
  if (socket.owner != facts.fleetd_user && socket.owner != 0) {
    return out.push_back(wrong("socket", socket.path + " belongs to user " + std::to_string(socket.owner) + ", not to fleetd's",
                               "restart fleetd; find out who took it"));
  }
  out.push_back(fine("socket", socket.path + ", mode 0660"));
}

// `most`: permissions that it may have.
void judge_folder(const char* check, const Facts& facts, const File& folder, mode_t most, Findings& out) {
  if (folder.path.empty()) return;
  if (folder.kind == FileKind::missing) {
    return out.push_back(facts.status ? wrong(check, folder.path + " is gone", "restart fleetd, which makes it")
                                      : fine(check, folder.path + " is not there yet"));
  }
  if (folder.kind != FileKind::folder) return out.push_back(wrong(check, folder.path + " is no folder", "move it away"));
  const auto too_much = folder.mode & ~most;
  if ((too_much & 022) != 0) {
    return out.push_back(wrong(check, folder.path + " has mode " + octal(folder.mode) + ": others can change it",
                               "chmod " + octal(most) + " " + folder.path));
  }
  if (too_much != 0) {
    return out.push_back(warn(check, folder.path + " has mode " + octal(folder.mode) + ", which lets others see more than they need",
                              "chmod " + octal(most) + " " + folder.path));
  }
  if ((folder.mode & 0700) != 0700) {
    return out.push_back(wrong(check, folder.path + " has mode " + octal(folder.mode) + ": fleetd cannot use it",
                               "chmod " + octal(most) + " " + folder.path));
  }
  if (facts.status && folder.owner != facts.fleetd_user) {
    return out.push_back(wrong(check, folder.path + " belongs to user " + std::to_string(folder.owner) + ", not to fleetd's",
                               "chown it to fleetd's user"));
  }
  out.push_back(fine(check, folder.path + ", mode " + octal(folder.mode)));
}

// ---- what there is room for ------------------------------------------------------------------------------------------

void judge_volume(const Facts& facts, const Volume& volume, Findings& out) {
  const bool of_state = volume.path == facts.state.path;
  const auto room = byte_count(volume.free) + " of " + byte_count(volume.size) + " free in " + volume.path;
  if (volume.read_only) {
    return out.push_back(wrong("disk", volume.path + " is on a read-only file system", "dmesg says why; remount it read-write"));
  }
  const std::string make_room = of_state ? "make room; fleetctl gc removes releases, keep_releases, keep_bytes and log.keep say how much fleet itself keeps" : "make room";
  if (volume.free < kDiskError) {
    out.push_back(wrong("disk", room + ": deploys and logs fail", make_room));
  } else if (of_state && (volume.free < kDiskWarning || volume.free < volume.size / 20)) {
    out.push_back(warn("disk", room, make_room));
  } else {
    out.push_back(fine("disk", room));
  }
  if (volume.inodes != 0 && volume.free_inodes < kFewInodes) {
    out.push_back(wrong("disk", "only " + grouped(volume.free_inodes) + " files can be made in " + volume.path, "remove files; df -i"));
  } else if (volume.inodes != 0 && volume.free_inodes < volume.inodes / 20) {
    out.push_back(warn("disk", grouped(volume.free_inodes) + " of " + grouped(volume.inodes) + " inodes free in " + volume.path,
                       "remove files; df -i"));
  }
  static constexpr std::array kDistant{"nfs", "cifs", "smb", "9p", "ceph", "fuse"};
  if (of_state && std::ranges::find(kDistant, volume.type) != kDistant.end()) {
    out.push_back(warn("disk", volume.path + " is on " + volume.type + ", where locks and syncs may not hold",
                       "move state_dir to a disk of this machine"));
  }
  if (of_state && volume.type == "tmpfs") {
    out.push_back(warn("disk", volume.path + " is in memory: releases and history end with the machine", "move state_dir to a disk"));
  }
}

void judge_memory(const Facts& facts, Findings& out) {
  if (facts.memory == 0) return;
  const auto room = byte_count(facts.memory_available) + " of " + byte_count(facts.memory) + " available";
  const std::string mend = "memory_max limits applications; ps aux --sort=-rss shows who has it";
  if (facts.memory_available < kMemoryError) return out.push_back(wrong("memory", room, mend));
  if (facts.memory_available < kMemoryWarning) return out.push_back(warn("memory", room, mend));
  out.push_back(fine("memory", room));
}

void judge_open_files(const Facts& facts, Findings& out) {
  if (facts.open_files == 0) return;
  const auto has = "fleetd may have " + grouped(facts.open_files) + " descriptors";
  const std::string mend = facts.unit.empty() ? "raise the hard limit of open files (ulimit -n) that fleetd starts with" : "LimitNOFILE=524288 in " + facts.unit;
  if (facts.open_files < kFilesError) return out.push_back(wrong("open files", has, mend));
  if (facts.open_files < kFilesWarning) return out.push_back(warn("open files", has, mend));
  out.push_back(fine("open files", has));
}

// ---- the network -----------------------------------------------------------------------------------------------------

void judge_listeners(const Facts& facts, Findings& out) {
  for (const auto& listener : facts.listeners) {
    const auto where = to_string(listener.endpoint);
    if (!listener.strangers.empty()) {
      out.push_back(wrong("port", where + " (" + listener.key + ") is taken by " + pids(listener.strangers),
                          "stop that, or listen elsewhere"));
    } else if (facts.status && !listener.ours) {
      out.push_back(wrong("port", "nobody listens on " + where + " (" + listener.key + ")", "fleetctl reload, or see fleetd's log"));
    } else {
      out.push_back(fine("port", where + " (" + listener.key + (listener.ours ? ") is fleet's" : ") is free")));
    }
  }
}

void judge_app_ports(const Facts& facts, Findings& out) {
  const auto& config = facts.config;
  std::uint32_t wanted = 0, largest = 0;
  for (const auto& app : config.apps) {
    if (app.listen == Listens::unix_) continue;
    wanted += app.instances;
    largest = std::max(largest, app.instances);
  }
  const auto range = std::to_string(config.port_first) + "-" + std::to_string(config.port_last);
  const auto all = static_cast<std::uint32_t>(config.port_last - config.port_first) + 1;
  const auto left = all - std::min(all, facts.app_ports_taken);
  if (left < wanted + largest) {
    return out.push_back(wrong("app ports", "of " + range + " others have " + grouped(facts.app_ports_taken) + "; a deploy needs up to " +
                                                grouped(wanted + largest), "widen ports in [fleet]"));
  }
  if (config.port_first <= facts.ephemeral_last && facts.ephemeral_first <= config.port_last) {
    return out.push_back(warn("app ports", range + " overlaps the kernel's own " + std::to_string(facts.ephemeral_first) + "-" +
                                               std::to_string(facts.ephemeral_last) + ": any connection may take one",
                              "sysctl -w net.ipv4.ip_local_reserved_ports=" + range + ", or other ports in [fleet]"));
  }
  out.push_back(fine("app ports", range + ", " + grouped(left) + " free for up to " + grouped(wanted + largest)));
}

void judge_certificates(const Facts& facts, Findings& out) {
  for (const auto& one : facts.certificates) {
    const std::string mend = "fleetctl config check " + facts.config_file + " says more; fleet takes up the new file by itself";
    if (!one.error.empty()) {
      out.push_back(wrong("certificate", one.error, mend));
    } else if (one.alarm >= 3) {
      out.push_back(wrong("certificate", one.file + " has expired, on " + tls::day(one.until), "renew it; " + mend));
    } else if (one.alarm > 0) {
      out.push_back(warn("certificate", one.file + " expires on " + tls::day(one.until), "renew it; " + mend));
    } else if (!one.warnings.empty()) {
      out.push_back(warn("certificate", one.warnings.front(), mend));
    } else {
      out.push_back(fine("certificate", joined(one.names) + ", until " + tls::day(one.until)));
    }
  }
}

// ---- the system ------------------------------------------------------------------------------------------------------

void judge_cgroup(const Facts& facts, Findings& out) {
  if (!facts.cgroup) return;
  const std::string mend = "Delegate=yes in fleetd's unit (see deploy/systemd)";
  if (facts.cgroup->folder.empty() || !facts.cgroup->delegated) {
    return out.push_back(warn("cgroup", "none is delegated to fleetd: limits are each process's", mend));
  }
  std::vector<std::string> missing;
  for (const auto* controller : {"memory", "pids", "cpu"}) {
    if (std::ranges::find(facts.cgroup->controllers, controller) == facts.cgroup->controllers.end()) missing.emplace_back(controller);
  }
  if (!missing.empty()) {
    const auto delegate = facts.unit_settings.find("Delegate");
    const bool asked_for = delegate != facts.unit_settings.end() && delegate->second == "yes";
    out.push_back(warn("cgroup", facts.cgroup->folder + " lacks " + joined(missing),
                       asked_for ? "boot with cgroups of version 2 alone (systemd.unified_cgroup_hierarchy=1)" : mend));
    return;
  }
  out.push_back(fine("cgroup", facts.cgroup->folder + ", with memory, pids and cpu"));
}

struct UnitSetting {
  const char *name, *wanted;
  const char* otherwise;  // what comes of another value
};
constexpr UnitSetting kUnitSettings[] = {
    {"Type", "notify", "systemd does not know when fleetd is ready"},
    {"KillMode", "process", "a restart of the unit ends all applications"},
    {"Delegate", "yes", "applications' limits are each process's"},
    {"OOMPolicy", "continue", "an application out of memory takes the unit with it"},
};

void judge_unit(const Facts& facts, Findings& out) {
  if (facts.unit.empty()) return out.push_back(fine("unit", "fleetd is no service of systemd here"));
  const auto setting = [&](const std::string& name) {
    const auto found = facts.unit_settings.find(name);
    return found == facts.unit_settings.end() ? std::string() : found->second;
  };
  const auto before = out.size();
  if (setting("LoadState") == "not-found") {
    return out.push_back(warn("unit", facts.unit + " is not installed: nobody starts fleetd again", "install deploy/systemd/fleetd.service"));
  }
  const std::string edit = " (systemctl edit " + facts.unit + ")";
  for (const auto& [name, wanted, otherwise] : kUnitSettings) {
    const auto has = setting(name);
    if (has.empty() || has == wanted) continue;
    const bool fatal = std::string_view(name) == "KillMode";
    const auto what = facts.unit + " has " + name + "=" + has + ": " + otherwise;
    const auto mend = std::string(name) + "=" + wanted + edit;
    out.push_back(fatal ? wrong("unit", what, mend) : warn("unit", what, mend));
  }
  if (setting("FileDescriptorStoreMax") == "0") {
    out.push_back(warn("unit", facts.unit + " keeps no listeners: those of workers that end while fleetd is away are lost",
                       "FileDescriptorStoreMax=64" + edit));
  }
  if (setting("WatchdogUSec") == "0" || setting("WatchdogUSec") == "infinity") {
    out.push_back(warn("unit", facts.unit + " has no watchdog: a fleetd that hangs is not started again", "WatchdogSec=60s" + edit));
  }
  if (out.size() == before) out.push_back(fine("unit", facts.unit + " is as it should be"));
}

void judge_clock(const Facts& facts, Findings& out) {
  if (facts.year < 2026 || facts.year > 2100) {
    return out.push_back(wrong("clock", "it is the year " + std::to_string(facts.year) + " here: certificates cannot be judged",
                               "set the clock; timedatectl set-ntp true"));
  }
  if (!facts.clock_synchronised) {
    return out.push_back(warn("clock", "not synchronised", "timedatectl set-ntp true, or run chrony"));
  }
  out.push_back(fine("clock", "synchronised"));
}

// ---- what runs -------------------------------------------------------------------------------------------------------

void judge_processes(const Facts& facts, Findings& out) {
  if (!facts.unknown_shims.empty()) {
    out.push_back(warn("processes", "fleetd does not know " + pids(facts.unknown_shims), "restart fleetd, which ends them; nothing else stops"));
  }
  if (!facts.without_shim.empty()) {
    out.push_back(wrong("processes", "without a shim: " + pids(facts.without_shim), "kill them once you know what they are"));
  }
  if (!facts.stale.empty()) {
    out.push_back(warn("processes", "left from before the machine's start: " + facts.stale.front() +
                                        (facts.stale.size() == 1 ? "" : " and " + std::to_string(facts.stale.size() - 1) + " more"),
                       "restart fleetd, which removes them"));
  }
  if (facts.unknown_shims.empty() && facts.without_shim.empty() && facts.stale.empty()) {
    out.push_back(fine("processes", count(facts.shims.size(), "shim") + ", each known"));
  }
}

void judge_versions(const Facts& facts, Findings& out) {
  const auto before = out.size();
  for (const auto& [program, version] : facts.programs) {
    const auto path = facts.programs_folder + "/" + program;
    if (version.empty()) out.push_back(wrong("versions", path + " cannot be run", "install it anew"));
    else if (version != FLEET_VERSION) {
      out.push_back(warn("versions", path + " is " + version + ", fleetctl is " FLEET_VERSION, "install all programs of one version"));
    }
  }
  if (!facts.status) return;
  const auto disk = facts.programs.find("fleetd");
  const auto& runs = facts.status->version;
  const bool older = disk != facts.programs.end() && !disk->second.empty() && disk->second != runs;
  if (older || facts.fleetd_replaced) {
    out.push_back(warn("versions", "fleetd runs as " + runs + ", and another one is on disk" + (older ? ", " + disk->second : ""), "fleetctl upgrade"));
  }
  for (const auto& worker : facts.status->workers) {
    if (worker.version.empty() || worker.version == runs || worker.state == api::WorkerState::draining) continue;
    out.push_back(warn("versions", "worker " + std::to_string(worker.slot) + " is " + worker.version + ", fleetd is " + runs, "fleetctl proxy upgrade"));
  }
  if (out.size() == before) out.push_back(fine("versions", "all " + runs));
}

void judge_users(const Facts& facts, Findings& out) {
  for (const auto& why : facts.unknown_users) out.push_back(wrong("users", why, "useradd --system, or another user in [app.NAME]"));
}

}  // namespace

std::vector<Finding> judge(const Facts& facts) {
  Findings out;
  judge_rights_of_ours(facts, out);
  judge_config(facts, out);
  judge_fleetd(facts, out);
  judge_socket(facts, out);
  if (facts.config_problems.empty()) {
    judge_folder("run_dir", facts, facts.run, 0751, out);
    judge_folder("state_dir", facts, facts.state, 0711, out);
    for (const auto& volume : facts.volumes) judge_volume(facts, volume, out);
  }
  judge_memory(facts, out);
  judge_open_files(facts, out);
  if (facts.config_problems.empty()) {
    judge_listeners(facts, out);
    judge_app_ports(facts, out);
    judge_certificates(facts, out);
    judge_users(facts, out);
  }
  judge_cgroup(facts, out);
  judge_unit(facts, out);
  judge_clock(facts, out);
  judge_processes(facts, out);
  judge_versions(facts, out);
  return out;
}

Level worst(const std::vector<Finding>& findings) {
  auto level = Level::ok;
  for (const auto& finding : findings) level = std::max(level, finding.level);
  return level;
}

std::string findings_text(const std::vector<Finding>& findings, const Style& style) {
  static constexpr Colour kColours[] = {Colour::green, Colour::yellow, Colour::red};
  const auto padded = [](std::string text, std::size_t to) {
    if (text.size() < to) text.append(to - text.size(), ' ');
    return text;
  };
  std::size_t widest = 0;
  for (const auto& finding : findings) widest = std::max(widest, finding.check.size());
  constexpr std::size_t kLevel = 7;  // "warning"
  std::string text;
  std::size_t number[3] = {};
  for (const auto& finding : findings) {
    const auto level = static_cast<std::size_t>(finding.level);
    ++number[level];
    text += coloured(padded(std::string(name(finding.level)), kLevel), kColours[level], style.colour) + "  " +
            padded(finding.check, widest) + "  " + printable(finding.what) + "\n";
    if (finding.mend.empty()) continue;
    text += std::string(kLevel + widest + 4, ' ') + coloured((style.utf8 ? "→ " : "-> ") + printable(finding.mend), Colour::dim, style.colour) + "\n";
  }
  text += "\n" + std::to_string(number[0]) + " ok, " + count(number[1], "warning") + ", " + count(number[2], "error") + "\n";
  return text;
}

}  // namespace fleet::ctl::doctor
