#include "api/people.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

namespace busbar::api {
namespace {

constexpr std::chrono::seconds known_for{60};
constexpr std::size_t known_max = 4096;
constexpr std::size_t entry_bytes = 64 << 10;

std::vector<gid_t> groups_of(const std::string& name, gid_t primary) {
  int count = 256;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (getgrouplist(name.c_str(), primary, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(std::max(count, 256)));
    if (getgrouplist(name.c_str(), primary, groups.data(), &count) < 0) count = 0;
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

bool in_groups(const std::string& wanted, const std::vector<gid_t>& groups) {
  std::vector<char> buffer(entry_bytes);
  group entry{};
  group* found = nullptr;
  if (getgrnam_r(wanted.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0) return false;
  return found != nullptr && std::count(groups.begin(), groups.end(), found->gr_gid) > 0;
}

}  // namespace

UserRef People::look_up(std::uint32_t uid, std::uint32_t gid_otherwise) const {
  UserRef user;
  user.uid = uid;
  user.gid = gid_otherwise;
  user.name = std::to_string(uid);
  user.is_operator = uid == 0 || uid == geteuid();
  std::vector<char> buffer(entry_bytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return user;
  user.name = found->pw_name;
  user.gid = found->pw_gid;
  if (std::count(rule_.users.begin(), rule_.users.end(), user.name) > 0) user.is_operator = true;
  if (user.is_operator || rule_.groups.empty()) return user;
  const auto groups = groups_of(user.name, user.gid);
  user.is_operator = std::any_of(rule_.groups.begin(), rule_.groups.end(),
                                 [&](const std::string& name) { return in_groups(name, groups); });
  return user;
}

UserRef People::by_uid(std::uint32_t uid, std::uint32_t gid_otherwise) {
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard hold(lock_);
  const auto found = known_.find(uid);
  if (found != known_.end() && now < found->second.until) return found->second.user;
  if (known_.size() >= known_max) known_.clear();
  Known known{look_up(uid, gid_otherwise), now + known_for};
  return known_.insert_or_assign(uid, std::move(known)).first->second.user;
}

void People::replace(OperatorRule rule) {
  const std::lock_guard hold(lock_);
  rule_ = std::move(rule);
  known_.clear();
}

}  // namespace busbar::api
