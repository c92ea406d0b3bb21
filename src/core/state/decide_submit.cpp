// A submission: all documents or none.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/fit/idle_fit.hpp"
#include "core/state/capacity.hpp"
#include "core/state/learn.hpp"
#include "core/state/rules.hpp"

namespace busbar::core {
namespace {

constexpr std::size_t documents_max = 10'000;

// Keys are each user's own: nobody is answered with another's jobs.
std::string scoped_key(const SubmitJobs& command) {
  if (command.idempotency_key.empty()) return {};
  return fmt::format("{}:{}", command.user.uid, command.idempotency_key);
}

Result<Ok> place_in_tenant(const State& state, Job& job, const std::string& who) {
  if (job.tenant.empty()) job.tenant = state.config().default_tenant;
  const auto id = state.find_tenant(job.tenant);
  if (!id) {
    std::vector<std::string_view> known;
    for (const auto& tenant : state.config().tenants)
      if (!tenant.closed) known.push_back(tenant.name);
    Error error = unknown_name("tenant", job.tenant, known);
    return {Errc::not_found, who + ": " + error.text};
  }
  const TenantConfig& tenant = state.config().tenants[id->value];
  if (tenant.closed)
    return {Errc::denied, fmt::format("{}: tenant \"{}\" was removed from the configuration and "
                                      "takes no new jobs",
                                      who, tenant.name)};
  const auto& users = tenant.users;
  if (!users.empty() && std::find(users.begin(), users.end(), job.user.name) == users.end())
    return {Errc::denied,
            fmt::format("{}: user {} may not submit to tenant \"{}\"; choose another, "
                        "or ask an operator to be added",
                        who, printable(job.user.name), tenant.name)};
  return Ok{};
}

std::uint64_t units_of(const Job& job) {
  std::uint64_t units = 0;
  for (std::uint32_t g = 0; g < job.groups.size(); ++g) units += unit_count(job, g);
  return units;
}

Result<Ok> check_submitted_max(const State& state, const std::vector<Job>& jobs) {
  std::vector<std::uint64_t> added(state.config().tenants.size());
  for (const auto& job : jobs) added[state.find_tenant(job.tenant)->value] += units_of(job);
  for (std::size_t i = 0; i < added.size(); ++i) {
    const TenantConfig& tenant = state.config().tenants[i];
    const std::uint64_t now = state.tenants()[i].submitted;
    if (added[i] == 0 || tenant.submitted_max == 0) continue;
    if (now + added[i] <= tenant.submitted_max) continue;
    const Errc code = added[i] > tenant.submitted_max ? Errc::unsatisfiable : Errc::unavailable;
    return {code, fmt::format("tenant \"{}\" may have {} units in the queue; {} are there and this "
                              "submission adds {}; wait until some have ended, or submit fewer",
                              tenant.name, tenant.submitted_max, now, added[i])};
  }
  return Ok{};
}

// Puts in what the user left out.
void complete(const Config& config, const UserRef& user, JobId id, Job& job) {
  job.id = id;
  job.user = user;
  if (job.time_limit == span_unlimited) job.time_limit = config.default_time_limit;
}

}  // namespace

Result<Decision> rule(Facts facts, const SubmitJobs& command) {
  const State& state = facts.state;
  const std::string key = scoped_key(command);
  if (const auto known = state.idempotency().find(key);
      known != state.idempotency().end() && facts.now < known->second.at + idempotency_keep)
    return Decision{{}, known->second.jobs};
  if (command.jobs.empty()) return {Errc::invalid, "there is no job in this submission"};
  if (command.jobs.size() > documents_max)
    return {Errc::invalid,
            fmt::format("a submission holds at most {} jobs; send several", documents_max)};
  std::vector<Job> jobs = command.jobs;
  std::vector<JobId> ids;
  for (std::size_t d = 0; d < jobs.size(); ++d) {
    const std::string who = name_in_submission(jobs[d], d);
    ids.push_back(JobId(state.next_job().value + d));
    complete(state.config(), command.user, ids.back(), jobs[d]);
    BUSBAR_TRY_OK(check_shape(facts, jobs[d], who));
    BUSBAR_TRY_OK(place_in_tenant(state, jobs[d], who));
  }
  BUSBAR_TRY_OK(resolve_dependencies(state, jobs));
  BUSBAR_TRY_OK(check_submitted_max(state, jobs));
  if (capacity_known(state)) {
    for (const auto& job : jobs) {
      if (auto never = impossible(state, job)) return std::move(*never);
      if (!needs_idle_proof(state, job)) continue;
      if (auto never = never_fits_idle(state, job)) return std::move(*never);
    }
  }
  std::vector<const Job*> fresh;
  for (const Job& job : jobs) fresh.push_back(&job);
  auto expected = foresee(state.config().policy, state, fresh);
  Decision decision{{Submitted{std::move(jobs), key}}, std::move(ids)};
  if (expected) decision.events.push_back(std::move(*expected));
  return decision;
}

}  // namespace busbar::core
