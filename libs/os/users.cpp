#include "os/users.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>

namespace fleet::os {
namespace {

constexpr std::size_t kMostText = 1u << 20;
constexpr int kMostGroups = 65536;

// Runs one of getpwnam_r and getgrnam_r with as much room as it asks for.
template <class Entry, class Ask>
Result<Entry> look_up(const std::string& name, const char* kind, std::vector<char>& text, Ask ask) {
  Entry entry{};
  Entry* found = nullptr;
  int error = ERANGE;
  for (std::size_t room = 4096; error == ERANGE && room <= kMostText; room *= 4) {
    text.resize(room);
    error = ask(name.c_str(), &entry, text.data(), text.size(), &found);
  }
  if (found) return entry;
  const auto what = std::string("no ") + kind + " \"" + name + "\" on this machine";
  return error == 0 || error == ENOENT || error == ESRCH ? fail(ErrorKind::not_found, what) : fail_errno(what, error);
}

}  // namespace

Result<Identity> identity_of(const std::string& user, const std::string& group) {
  std::vector<char> text;
  TRY(const auto who, look_up<struct passwd>(user, "user", text, ::getpwnam_r));
  Identity identity;
  identity.uid = who.pw_uid;
  identity.gid = who.pw_gid;
  if (!group.empty()) {
    std::vector<char> group_text;
    TRY(const auto other, look_up<struct group>(group, "group", group_text, ::getgrnam_r));
    identity.gid = other.gr_gid;
  }
  std::vector<gid_t> all(32);
  for (;;) {
    int count = static_cast<int>(all.size());
    if (::getgrouplist(user.c_str(), who.pw_gid, all.data(), &count) >= 0) {
      all.resize(static_cast<std::size_t>(count));
      break;
    }
    if (count <= static_cast<int>(all.size()) || count > kMostGroups) return fail("too many groups of user \"" + user + "\"");
    all.resize(static_cast<std::size_t>(count));
  }
  std::ranges::copy_if(all, std::back_inserter(identity.groups), [&](gid_t gid) { return gid != identity.gid; });
  return identity;
}

}  // namespace fleet::os
