// The reconciler's hands on this machine: reads payloads, makes scratch folders, checks ports,
// builds the request for the shim, and runs readiness probes.
//
// Errors   a launch that cannot be prepared carries a sentence for the job's user.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "engine/local/account.hpp"
#include "engine/local/output_book.hpp"
#include "engine/local/probe_runner.hpp"
#include "engine/local/reconciler.hpp"
#include "engine/local/scratch.hpp"
#include "engine/local/start_plan.hpp"

namespace busbar::local {

using PayloadSource = std::function<Result<std::string>(PayloadHash)>;

struct MachineOptions {
  std::string cluster;
  std::string scratch_directory;  // Busbar's own: where attempts get their folders
  std::string api_socket;
  std::string programs_directory;
  std::string output_book;  // see output_book.hpp; "" keeps nothing
  UserPolicy users;
  PlanLimits limits;
};

class LocalMachine : public Machine {
 public:
  LocalMachine(MachineOptions options, PayloadSource payloads, ProbeRunner::Ready ready,
               ProbeRunner::GaveUp gave_up, std::function<void(const std::string&)> warn);

  // Which node this is, and which vendors' devices it has.
  void describe_node(const Node& node);
  Scratch& scratch() { return scratch_; }

  Result<shim::StartRequest> prepare(const Launch& launch,
                                     const std::vector<Claim>& bound) override;
  void started(const Launch& launch, const std::vector<Claim>& bound) override;
  void output_began(const AttemptId& attempt, const std::string& path, std::int64_t bytes) override;
  void ended(const std::string& name) override;
  void forgotten(const std::string& name) override;
  void warn(const std::string& sentence) override;
  const OutputBook& outputs() const { return outputs_; }

 private:
  Result<std::vector<Payload>> read_payloads(const Launch& launch);
  Result<Payload> read_payload(PayloadHash hash);
  Result<Account> account_of(const UserRef& user);
  NodeFacts facts_for(const Account& account, const std::string& name) const;

  MachineOptions options_;
  OutputBook outputs_;
  PayloadSource payloads_;
  std::function<void(const std::string&)> warn_;
  std::string node_;
  std::set<std::string> vendors_;
  // The tasks of an array share both: small payloads, and accounts as found a moment ago.
  std::map<PayloadHash, Payload> known_payloads_;
  std::map<std::uint32_t, Account> known_accounts_;
  std::chrono::steady_clock::time_point accounts_known_at_;
  Scratch scratch_;
  ProbeRunner probes_;
};

// The user's `mpirun`, or whatever `program` is, in a PATH; "" when there is none.
std::string find_program(const std::string& program, const std::string& path);
// Whether something listens on the port of this machine.
bool port_in_use(std::uint32_t port);

}  // namespace busbar::local
