// What ends teach about run times, and what is expected of those who wait.
//
// Source   docs/policies.md, "Prediction".
#include "core/state/learn.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/maths.hpp"
#include "core/policy/unit_order.hpp"
#include "core/state/writer.hpp"

namespace busbar::core {
namespace {

constexpr std::int64_t one = std::int64_t{1} << 20;  // of weights

std::string user_name(const Job& job) { return "user " + job.user.name; }
std::string width_name(const Job& job) { return fmt::format("width {}", size_of(job).width); }

std::int64_t inverse_of(Span run_time) {
  return inverse_one / std::max(run_time.value, run_ms_min);
}

// One more end; what was before counts for `keep_milli` thousandths.
RunStatistics one_more(const RunStatistics* old, Span run_time, std::uint32_t keep_milli) {
  RunStatistics out = old == nullptr ? RunStatistics{} : *old;
  for (std::int64_t* sum : {&out.weight, &out.run_time_ms, &out.inverse})
    *sum = multiply_divide(*sum, keep_milli, 1000);
  out.weight += one;
  out.run_time_ms += std::min(run_time, century).value;
  out.inverse += inverse_of(run_time);
  return out;
}

// Statistics as they stand once `fresh` is applied.
const RunStatistics* look(const State& state, const std::vector<NamedStatistics>& fresh,
                          const std::string& name) {
  for (const auto& named : fresh)
    if (named.name == name) return &named.statistics;
  return state.find_statistics(name);
}

// The user's average, with the width's average counted in as some ends more.
RunPrediction expect(const PolicyConfig& policy, const State& state,
                     const std::vector<NamedStatistics>& fresh, const Job& job) {
  const Span limit = std::min(job.time_limit, century);
  RunPrediction out{job.id, limit, inverse_of(limit)};
  if (const RunStatistics* width = look(state, fresh, width_name(job))) {
    out.run_time = Span(multiply_divide(width->run_time_ms, one, width->weight));
    out.inverse = multiply_divide(width->inverse, one, width->weight);
  }
  if (const RunStatistics* user = look(state, fresh, user_name(job))) {
    const std::int64_t prior = std::int64_t{policy.predict_prior_milli} * one / 1000;
    const std::int64_t weight = user->weight + prior;
    out.run_time = Span(multiply_divide(
        user->run_time_ms + multiply_divide(out.run_time.value, prior, one), one, weight));
    out.inverse =
        multiply_divide(user->inverse + multiply_divide(out.inverse, prior, one), one, weight);
  }
  out.run_time = std::clamp(out.run_time, Span(1), limit);
  out.inverse = std::max({out.inverse, inverse_of(limit), std::int64_t{1}});
  return out;
}

}  // namespace

std::optional<Learned> foresee(const PolicyConfig& policy, const State& state,
                               const std::vector<const Job*>& jobs) {
  if (!policy.predict || jobs.empty()) return std::nullopt;
  Learned out;
  for (const Job* job : jobs) out.predictions.push_back(expect(policy, state, {}, *job));
  return out;
}

std::optional<Learned> learn(const State& state, const Job& job, Span run_time) {
  const PolicyConfig& policy = state.config().policy;
  if (!policy.predict) return std::nullopt;
  Learned out;
  const std::string user = user_name(job);
  const std::string width = width_name(job);
  out.statistics.push_back(
      {user, one_more(state.find_statistics(user), run_time, policy.predict_decay_milli)});
  out.statistics.push_back({width, one_more(state.find_statistics(width), run_time, 999)});
  for (const JobId id : state.predicted_of(job.user.name)) {
    const JobRecord* record = state.find(id);
    if (record->waiting == 0) continue;
    RunPrediction next = expect(policy, state, out.statistics, record->job);
    const RunPrediction* known = state.find_prediction(id);
    if (known == nullptr || !(*known == next)) out.predictions.push_back(next);
  }
  return out;
}

const RunStatistics* State::find_statistics(std::string_view name) const {
  const auto found = statistics_.find(name);
  return found == statistics_.end() ? nullptr : &found->second;
}

const RunPrediction* State::find_prediction(JobId job) const {
  const auto found = predictions_.find(job);
  return found == predictions_.end() ? nullptr : &found->second;
}

const std::set<JobId>& State::predicted_of(const std::string& user) const {
  static const std::set<JobId> none;
  const auto found = predicted_of_.find(user);
  return found == predicted_of_.end() ? none : found->second;
}

void StateWriter::operator()(const Learned& event) {
  for (const auto& named : event.statistics) state.statistics_[named.name] = named.statistics;
  for (const auto& prediction : event.predictions) {
    const JobRecord& record = job(prediction.job);
    if (record.ended_all()) continue;
    state.predictions_[prediction.job] = prediction;
    state.predicted_of_[record.job.user.name].insert(prediction.job);
  }
}

void StateWriter::forget_prediction(const JobRecord& record) {
  if (state.predictions_.erase(record.job.id) == 0) return;
  const auto mine = state.predicted_of_.find(record.job.user.name);
  mine->second.erase(record.job.id);
  if (mine->second.empty()) state.predicted_of_.erase(mine);
}

}  // namespace busbar::core
