#include "shim/cgroups.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "shim/system.hpp"

namespace busbar::shim {

namespace {

struct Mount {
  std::string root, point;
  std::string controllers;  // of v1: ",memory,"; "" is v2
};

std::vector<Mount> cgroup_mounts() {
  std::vector<Mount> mounts;
  const std::string text = read_file("/proc/self/mountinfo");
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    const auto left = split(line.substr(0, dash), ' ');
    const auto right = split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    Mount mount{std::string(left[3]), std::string(left[4]), ""};
    if (right[0] == "cgroup") mount.controllers = "," + std::string(right[2]) + ",";
    if (right[0] == "cgroup" || right[0] == "cgroup2") mounts.push_back(mount);
  }
  std::stable_sort(mounts.begin(), mounts.end(), [](const Mount& a, const Mount& b) {
    return a.controllers.empty() && !b.controllers.empty();  // v2 first
  });
  return mounts;
}

// Where this process is below `mount`, as a path of the file system.
std::string own_folder(const Mount& mount) {
  const std::string text = read_file("/proc/self/cgroup");
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view names = line.substr(first + 1, second - first - 1);
    if (names.empty() != mount.controllers.empty()) continue;
    if (!names.empty() &&
        mount.controllers.find("," + std::string(names) + ",") == std::string::npos)
      continue;
    std::string path(line.substr(second + 1));
    if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
    return path == "/" ? mount.point : mount.point + path;
  }
  return mount.point;
}

bool make_folder(const std::string& path) {
  return (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) &&
         access((path + "/cgroup.procs").c_str(), W_OK) == 0;
}

constexpr std::string_view controllers_v2[] = {"memory", "cpu", "pids"};

// v2 allows controllers below a folder only if no process is in the folder itself (but in the
// root): those of our own folder move to a leaf beside the attempts'.
void open_controllers(const std::string& base, bool may_move) {
  for (const std::string_view controller : controllers_v2) {
    const std::string word = "+" + std::string(controller);
    if (write_file(base + "/cgroup.subtree_control", word) != EBUSY || !may_move) continue;
    make_folder(base + "/busbar-supervisor");
    const std::string inside = read_file(base + "/cgroup.procs");
    for (const std::string_view pid : split(inside, '\n'))
      if (!pid.empty()) write_file(base + "/busbar-supervisor/cgroup.procs", pid);
    write_file(base + "/cgroup.subtree_control", word);
  }
}

constexpr std::size_t spares_max = 64;
// What may stay charged to an emptied folder: pages that processors keep at hand.
constexpr std::int64_t spare_memory_bytes_max = std::int64_t{1} << 20;
// Begins with a point: not an attempt's name, and not listed among them.
constexpr char spare_prefix[] = ".spare";

std::string join(const std::string& base, const std::string& name) { return base + "/" + name; }

}  // namespace

std::string Cgroups::Base::read(const std::string& file) const { return read_file(file, fd); }

int Cgroups::Base::write(const std::string& file, const std::string& text) const {
  return write_file(file, text, fd);
}

Cgroups::Base Cgroups::open_base(const std::string& path) {
  if (!make_folder(path)) return {};
  const int fd = open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? Base{} : Base{path, fd};
}

Cgroups Cgroups::detect(const std::string& folder, CgroupMode mode_max) {
  Cgroups found;
  if (mode_max == CgroupMode::none) return found;
  for (const Mount& mount : cgroup_mounts()) {
    const std::string own = own_folder(mount);
    if (mount.controllers.empty()) {
      if (mode_max != CgroupMode::v2 || !found.track_.empty()) continue;
      const std::string base = geteuid() == 0 ? mount.point : own;
      const Base ours = open_base(join(base, folder));
      if (ours.empty()) continue;
      open_controllers(base, base == own);
      open_controllers(ours.path, false);
      const std::string probe = join(ours.path, "probe");
      make_folder(probe);
      found.track_ = ours;
      found.track_is_v2_ = true;
      if (exists(probe + "/memory.max")) found.memory_ = ours;
      if (exists(probe + "/cpu.weight")) found.cpu_ = ours;
      if (exists(probe + "/pids.max")) found.pids_ = ours;
      if (exists(probe + "/cpu.stat")) found.cpuacct_ = ours;
      rmdir(probe.c_str());
      continue;
    }
    const std::pair<const char*, Base*> wanted[] = {{",memory,", &found.memory_},
                                                    {",cpu,", &found.cpu_},
                                                    {",cpuacct,", &found.cpuacct_},
                                                    {",pids,", &found.pids_},
                                                    {",freezer,", &found.freezer_}};
    for (const auto& [controller, place] : wanted)
      if (place->empty() && !(found.track_is_v2_ && place == &found.freezer_) &&
          mount.controllers.find(controller) != std::string::npos) {
        *place = open_base(join(own, folder));
        if (place->empty()) *place = open_base(join(mount.point, folder));
      }
  }
  for (const Base* v1 : {&found.freezer_, &found.memory_, &found.cpuacct_, &found.pids_})
    if (found.track_.empty()) found.track_ = *v1;
  for (const Base& base : found.bases())  // of a shim that was killed
    for (const std::string& name : list_folder(base.path, Entries::hidden_folders))
      if (name.starts_with(spare_prefix)) unlinkat(base.fd, name.c_str(), AT_REMOVEDIR);
  found.weigh_all();
  return found;
}

// Our folder competes with every other process of the machine: all attempts together weigh as much
// as one busy process on each core, not as one.
void Cgroups::weigh_all() const {
  if (cpu_.empty()) return;
  const std::int64_t cores = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  const bool v2 = is_v2(cpu_);
  cpu_.write(v2 ? "cpu.weight" : "cpu.shares",
             std::to_string(v2 ? std::min<std::int64_t>(10'000, cores * 100)
                               : std::min<std::int64_t>(262'144, cores * 1024)));
}

CgroupMode Cgroups::mode() const {
  if (track_.empty()) return CgroupMode::none;
  const bool only_v2 = track_is_v2_ && (memory_.empty() || memory_ == track_);
  return only_v2 ? CgroupMode::v2 : CgroupMode::v1;
}

std::string Cgroups::sentence() const {
  const auto by = [this](const Base& base, const char* otherwise) {
    return base.empty() ? otherwise : is_v2(base) ? "cgroup v2" : "cgroup v1";
  };
  return std::string("trees: ") + by(track_, "sessions and /proc") +
         "; memory: " + by(memory_, "rlimit and sampling") +
         "; CPU time: " + by(cpuacct_, "wait4") + "; weight: " + by(cpu_, "not enforced") +
         "; process count: " + by(pids_, "not enforced");
}

std::vector<Cgroups::Base> Cgroups::bases(const StartRequest* request) const {
  std::vector<Base> all;
  const auto add = [&](const Base& base, bool asked) {
    if (asked && !base.empty() && std::find(all.begin(), all.end(), base) == all.end())
      all.push_back(base);
  };
  for (const Base* base : {&track_, &memory_, &cpuacct_, &freezer_}) add(*base, true);
  add(cpu_, request == nullptr || request->cpu_weight > 0);
  add(pids_, request == nullptr || request->pids_max > 0);
  return all;
}

Result<Ok> Cgroups::create(const StartRequest& request) {
  const std::string& name = request.name;
  const Limits wanted{request.memory_bytes, request.cpu_weight, request.pids_max};
  std::optional<Limits> old = Limits{};
  to_spare_.erase(name);
  for (const Base& base : bases(&request)) {
    const auto spare = take_spare(base, request);
    if (!spare && mkdirat(base.fd, name.c_str(), 0755) != 0) {
      if (errno != EEXIST)
        return Error{Errc::unavailable, "the cgroup " + join(base.path, name) +
                                            " could not be made: " + std::strerror(errno)};
      old.reset();
    }
    if (!spare || !old) continue;
    if (base == memory_) old->memory_bytes = spare->memory_bytes;
    if (base == cpu_) old->cpu_weight = spare->cpu_weight;
    if (base == pids_) old->pids_max = spare->pids_max;
  }
  BUSBAR_TRY(exact, set_limits(name, old, wanted));
  if (exact) to_spare_[name] = Spare{"", wanted, request.uid == 0};
  return Ok{};
}

Result<bool> Cgroups::set_limits(const std::string& name, const std::optional<Limits>& old,
                                 const Limits& wanted) const {
  const auto fail = [](const std::string& what, int error) {
    return Error{Errc::unavailable, what + " could not be set: " + std::strerror(error)};
  };
  bool exact = true;
  if (!memory_.empty() && (!old || wanted.memory_bytes != old->memory_bytes)) {
    const bool v2 = is_v2(memory_);
    const std::string none = v2 ? "max" : "-1";
    const std::string bytes = wanted.memory_bytes > 0 ? std::to_string(wanted.memory_bytes) : none;
    const std::string swap = v2 ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes";
    // Memory is what was asked for, not memory plus swap, and may at no moment be more than both;
    // kernels without swap lack the files.
    if (!v2 && (!old || old->memory_bytes > 0)) memory_.write(name + swap, none);
    const int error = memory_.write(name + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), bytes);
    if (error != 0) return fail("the memory limit of " + bytes + " bytes", error);
    const int of_swap = memory_.write(name + swap, v2 ? "0" : bytes);
    exact = of_swap == 0 || of_swap == ENOENT;
    if (v2) memory_.write(name + "/memory.oom.group", "1");
  }
  if (!cpu_.empty() && (!old || wanted.cpu_weight != old->cpu_weight)) {
    const std::uint32_t weight = wanted.cpu_weight > 0 ? wanted.cpu_weight : 100;
    const std::uint64_t shares = std::max<std::uint64_t>(2, std::uint64_t{weight} * 1024 / 100);
    const int error = cpu_.write(name + (is_v2(cpu_) ? "/cpu.weight" : "/cpu.shares"),
                                 std::to_string(is_v2(cpu_) ? weight : shares));
    exact = exact && error == 0;
  }
  if (!pids_.empty() && (!old || wanted.pids_max != old->pids_max)) {
    const std::string most = wanted.pids_max > 0 ? std::to_string(wanted.pids_max) : "max";
    const int error = pids_.write(name + "/pids.max", most);
    if (error != 0 && wanted.pids_max > 0) return fail("the limit of processes", error);
    exact = exact && error == 0;
  }
  return exact;
}

std::vector<CgroupDoor> Cgroups::doors(const StartRequest& request) const {
  std::vector<CgroupDoor> doors;
  for (const Base& base : bases(&request))
    // v1 lets one thread in without holding up every fork of the machine, as a whole process does.
    doors.push_back({base.fd, request.name + (is_v2(base) ? "/cgroup.procs" : "/tasks"),
                     join(base.path, request.name)});
  return doors;
}

int Cgroups::open_birthplace(const std::string& name) const {
  if (!track_is_v2_) return -1;
  return openat(track_.fd, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool Cgroups::is_empty(const std::string& name) const {
  if (!tracks()) return true;
  if (track_is_v2_) {
    const std::int64_t populated = keyed_number(track_.read(name + "/cgroup.events"), "populated");
    if (populated >= 0) return populated == 0;
  } else if (is_vacant(track_, name)) {
    return members(name).empty();
  } else if (!members(name).empty()) {
    return false;
  }
  // Nothing could be read, as without descriptors: the kernel removes a folder only if it is empty.
  return unlinkat(track_.fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT;
}

// Read, and nobody is in the folder itself.
bool Cgroups::is_vacant(const Base& base, const std::string& name) const {
  const int fd = openat(base.fd, (name + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  const bool vacant = fd >= 0 && ::read(fd, &byte, 1) == 0;
  if (fd >= 0) close(fd);
  return vacant;
}

std::vector<pid_t> Cgroups::members(const std::string& name) const {
  std::vector<pid_t> pids;
  if (!tracks()) return pids;
  std::vector<std::string> folders{join(track_.path, name)};
  while (!folders.empty()) {
    const std::string folder = folders.back();
    folders.pop_back();
    const std::string inside = read_file(folder + "/cgroup.procs");
    for (const std::string_view line : split(inside, '\n'))
      if (const std::int64_t pid = to_number(line); pid > 0)
        pids.push_back(static_cast<pid_t>(pid));
    for (const std::string& below : list_folder(folder, Entries::folders))
      folders.push_back(join(folder, below));
  }
  return pids;
}

void Cgroups::kill_members(const std::string& name) const {
  if (track_is_v2_ && track_.write(name + "/cgroup.kill", "1") == 0) return;
  // Frozen, the tree cannot fork faster than it is killed.
  const Base& base = track_is_v2_ ? track_ : freezer_;
  const std::string freeze = name + (track_is_v2_ ? "/cgroup.freeze" : "/freezer.state");
  base.write(freeze, track_is_v2_ ? "1" : "FROZEN");
  for (const pid_t pid : members(name)) kill(pid, SIGKILL);
  base.write(freeze, track_is_v2_ ? "0" : "THAWED");
}

CgroupReading Cgroups::read(const std::string& name) const {
  CgroupReading reading;
  if (is_v2(cpuacct_)) {
    reading.cpu_us = keyed_number(cpuacct_.read(name + "/cpu.stat"), "usage_usec");
  } else if (!cpuacct_.empty()) {
    const std::int64_t ns = to_number(cpuacct_.read(name + "/cpuacct.usage"));
    if (ns >= 0) reading.cpu_us = ns / 1000;
  }
  if (memory_.empty()) return reading;
  const bool v2 = is_v2(memory_);
  reading.memory_peak_bytes =
      to_number(memory_.read(name + (v2 ? "/memory.peak" : "/memory.max_usage_in_bytes")));
  const std::string events = memory_.read(name + (v2 ? "/memory.events" : "/memory.oom_control"));
  reading.out_of_memory = keyed_number(events, "oom_kill") > 0;
  return reading;
}

std::int64_t Cgroups::memory_bytes(const std::string& name) const {
  if (memory_.empty()) return -1;
  return to_number(
      memory_.read(name + (is_v2(memory_) ? "/memory.current" : "/memory.usage_in_bytes")));
}

bool Cgroups::remove_folder(const Base& base, const std::string& name) const {
  if (unlinkat(base.fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  std::vector<std::string> folders{join(base.path, name)};
  for (std::size_t i = 0; i < folders.size(); ++i)
    for (const std::string& below : list_folder(folders[i], Entries::folders))
      folders.push_back(join(folders[i], below));
  bool gone = true;
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder)
    gone = (rmdir(folder->c_str()) == 0 || errno == ENOENT) && gone;
  return gone;
}

bool Cgroups::remove(const std::string& name) {
  const auto spare = to_spare_.find(name);  // unknown where another shim made the folder
  bool gone = true;
  for (const Base& base : bases()) {
    const bool kept = spare != to_spare_.end() && keep_spare(base, name, spare->second);
    gone = (kept || remove_folder(base, name)) && gone;
  }
  if (spare != to_spare_.end()) to_spare_.erase(spare);
  return gone;
}

std::optional<Cgroups::Limits> Cgroups::take_spare(const Base& base, const StartRequest& request) {
  std::vector<Spare>& spares = spares_[base.fd];
  const auto fits = [&](const Spare& spare) { return spare.of_root == (request.uid == 0); };
  const auto found = std::find_if(spares.rbegin(), spares.rend(), fits);
  if (found == spares.rend() ||
      renameat(base.fd, found->name.c_str(), base.fd, request.name.c_str()) != 0)
    return {};
  const Limits limits = found->limits;
  spares.erase(std::next(found).base());
  return limits;
}

// False where it cannot be kept; then it still is the attempt's.
bool Cgroups::keep_spare(const Base& base, const std::string& name, const Spare& spare) {
  std::vector<Spare>& spares = spares_[base.fd];
  if (is_v2(base) || spares.size() >= spares_max) return false;
  struct stat facts {};
  const bool leaf =
      fstatat(base.fd, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 && facts.st_nlink == 2;
  if (!leaf || !set_back(base, name)) return false;
  Spare kept = spare;
  kept.name = spare_prefix + std::to_string(spares_named_++);
  if (renameat(base.fd, name.c_str(), base.fd, kept.name.c_str()) != 0) return false;
  // Who entered until the new name was there is seen now; under it nobody enters.
  if (!is_vacant(base, kept.name)) {
    renameat(base.fd, kept.name.c_str(), base.fd, name.c_str());
    return false;
  }
  spares.push_back(std::move(kept));
  return true;
}

// The counters that read() reads. False where something of the old attempt would stay.
bool Cgroups::set_back(const Base& base, const std::string& name) const {
  if (base == memory_) {
    const std::int64_t usage = to_number(base.read(name + "/memory.usage_in_bytes"));
    const std::int64_t with_swap = to_number(base.read(name + "/memory.memsw.usage_in_bytes"));
    const std::string events = base.read(name + "/memory.oom_control");
    if (usage < 0 || std::max(usage, with_swap) > spare_memory_bytes_max ||
        keyed_number(events, "oom_kill") != 0 || keyed_number(events, "oom_kill_disable") != 0 ||
        base.write(name + "/memory.max_usage_in_bytes", "0") != 0)
      return false;
  }
  if (base == cpuacct_ && base.write(name + "/cpuacct.usage", "0") != 0) return false;
  return base != freezer_ || base.write(name + "/freezer.state", "THAWED") == 0;
}

void Cgroups::remove_spares() {
  for (auto& [fd, spares] : spares_) {
    for (const Spare& spare : spares) unlinkat(fd, spare.name.c_str(), AT_REMOVEDIR);
    spares.clear();
  }
}

std::vector<std::string> Cgroups::names() const {
  std::vector<std::string> all;
  for (const Base& base : bases())
    for (std::string& name : list_folder(base.path, Entries::folders))
      if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(std::move(name));
  return all;
}

void Cgroups::remove_base() {
  remove_spares();
  for (const Base& base : bases()) rmdir(base.path.c_str());
}

}  // namespace busbar::shim
