#include "engine/local/local_machine.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/text.hpp"
#include "model/names.hpp"

namespace busbar::local {
namespace {

constexpr std::size_t start_bytes_max =
    shim::message_bytes_max - 256;  // room for what is around it

constexpr std::size_t known_payloads_max = 64;
constexpr std::size_t known_payload_bytes_max = 64 << 10;
constexpr auto account_known_for = std::chrono::seconds(2);

std::int64_t unix_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string find_program(const std::string& program, const std::string& path) {
  for (const std::string_view folder : split(path, ':')) {
    if (!folder.starts_with("/")) continue;
    const std::string candidate = std::string(folder) + "/" + program;
    struct stat status {};
    if (stat(candidate.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        (status.st_mode & 0111) != 0)
      return candidate;
  }
  return "";
}

bool port_in_use(std::uint32_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  const bool taken = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
                     errno == EADDRINUSE;
  close(fd);
  return taken;
}

LocalMachine::LocalMachine(MachineOptions options, PayloadSource payloads, ProbeRunner::Ready ready,
                           ProbeRunner::GaveUp gave_up,
                           std::function<void(const std::string&)> warn)
    : options_(std::move(options)),
      outputs_(options_.output_book),
      payloads_(std::move(payloads)),
      warn_(std::move(warn)),
      scratch_(options_.scratch_directory),
      probes_(std::move(ready), std::move(gave_up)) {}

void LocalMachine::describe_node(const Node& node) {
  node_ = node.name;
  vendors_.clear();
  for (const Device& device : node.devices) {
    if (!device.simulated) vendors_.insert(device.vendor);
  }
}

void LocalMachine::warn(const std::string& sentence) {
  if (warn_) warn_(sentence);
}

Result<std::vector<Payload>> LocalMachine::read_payloads(const Launch& launch) {
  std::vector<Payload> payloads;
  for (const LaunchGroup& group : launch.groups) {
    BUSBAR_TRY(payload, read_payload(group.payload));
    payloads.push_back(std::move(payload));
  }
  return payloads;
}

Result<Payload> LocalMachine::read_payload(PayloadHash hash) {
  if (const auto known = known_payloads_.find(hash); known != known_payloads_.end())
    return known->second;
  BUSBAR_TRY(bytes, payloads_(hash));
  BUSBAR_TRY(payload, decode_payload(bytes));
  if (known_payloads_.size() >= known_payloads_max) known_payloads_.clear();
  if (bytes.size() <= known_payload_bytes_max) known_payloads_.emplace(hash, payload);
  return payload;
}

Result<Account> LocalMachine::account_of(const UserRef& user) {
  const auto now = std::chrono::steady_clock::now();
  if (now > accounts_known_at_ + account_known_for) {
    known_accounts_.clear();
    accounts_known_at_ = now;
  }
  if (const auto known = known_accounts_.find(user.uid); known != known_accounts_.end())
    return known->second;
  BUSBAR_TRY(account, find_account(user, options_.users));
  known_accounts_.emplace(user.uid, account);
  return account;
}

NodeFacts LocalMachine::facts_for(const Account& account, const std::string& name) const {
  NodeFacts facts;
  facts.cluster = options_.cluster;
  facts.node = node_;
  facts.vendors = vendors_;
  facts.account = account.facts;
  facts.scratch = scratch_.path_of(name);
  facts.api_socket = options_.api_socket;
  facts.programs = options_.programs_directory;
  facts.now_unix_ms = unix_now_ms();
  facts.as_root = account.facts.uid == 0;
  return facts;
}

Result<shim::StartRequest> LocalMachine::prepare(const Launch& launch,
                                                 const std::vector<Claim>& bound) {
  BUSBAR_TRY(payloads, read_payloads(launch));
  BUSBAR_TRY(account, account_of(launch.user));
  const NodeFacts facts = facts_for(account, launch.name);
  BUSBAR_TRY(plan, plan_start(launch, bound, payloads, facts, options_.limits));
  if (plan.needs_mpirun && find_program("mpirun", plan.path).empty())
    return {Errc::unsatisfiable,
            fmt::format("the launcher mpi needs `mpirun`, which is not in the job's PATH ({}); "
                        "install one (Debian: `apt install openmpi-bin`) or set PATH in the job's "
                        "environment",
                        printable(plan.path, 200))};
  for (const std::uint32_t port : plan.ports) {
    if (port_in_use(port))
      return {Errc::conflict,
              fmt::format("port {} of {} is in use by a program outside Busbar; end it (`ss -tlnp` "
                          "names it) or configure another range of ports",
                          port, node_)};
  }
  for (const Payload& payload : payloads) {
    const std::string checkpoint = checkpoint_directory(launch, payload);
    if (!checkpoint.empty()) BUSBAR_TRY_OK(make_folder_as(account, checkpoint));
  }
  BUSBAR_TRY_OK(scratch_.make(account, plan.files, launch.name));
  plan.request.groups.assign(account.groups.begin(), account.groups.end());
  if (shim::encode(plan.request).size() > start_bytes_max)
    return {Errc::invalid, "the attempt's scripts and environments are larger than 32 MiB"};
  return std::move(plan.request);
}

void LocalMachine::started(const Launch& launch, const std::vector<Claim>& bound) {
  const auto payloads = read_payloads(launch);
  if (!payloads) return warn(launch.name + ": " + payloads.error().text);
  const bool probed = std::any_of(payloads->begin(), payloads->end(), [](const Payload& payload) {
    return payload.ready.kind != ProbeKind::none;
  });
  if (!probed) return;
  const auto account = account_of(launch.user);
  if (!account) return warn(launch.name + ": " + account.error().text);
  probes_.start(launch.name,
                plan_probes(launch, bound, *payloads, facts_for(*account, launch.name)), *account);
}

void LocalMachine::output_began(const AttemptId& attempt, const std::string& path,
                                std::int64_t bytes) {
  outputs_.began(attempt, path, bytes);
}

void LocalMachine::ended(const std::string& name) { probes_.stop(name); }

void LocalMachine::forgotten(const std::string& name) {
  probes_.stop(name);
  scratch_.remove(name);
}

}  // namespace busbar::local
