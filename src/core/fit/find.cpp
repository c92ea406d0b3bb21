#include "core/fit/find.hpp"

#include <algorithm>
#include <utility>

#include "base/rng.hpp"
#include "core/fit/search.hpp"

namespace busbar::core {

Found Search::run_single() {
  const std::uint32_t group = ask_.unit.group;
  if (!ask_.job->topology->spread.empty()) count_spread();
  const auto& any_of = ask_.job->groups[group].any_of;
  for (std::uint32_t a = 0; a < any_of.size(); ++a) {
    Allocation allocation = best_node(a);
    if (allocation.claims.empty()) continue;
    Found found;
    found.allocation = std::move(allocation);
    return found;
  }
  return {};
}

// The parts that hold the job's units already, for `spread`.
void Search::count_spread() {
  const auto count = [&](const std::vector<Claim>& claims) {
    for (const auto& claim : claims)
      spread_used_[part_of(claim.node, ask_.job->topology->spread)] += 1;
  };
  const auto& attempts = scratch_.index().attempts();
  for (auto it = attempts.lower_bound(AttemptId{UnitId{ask_.job->id, 0, 0}, 0});
       it != attempts.end() && it->first.unit.job == ask_.job->id; ++it)
    count(it->second.claims);
  scratch_.each_taken_of(ask_.job->id, count);
}

// One claim, or none.
Allocation Search::best_node(std::uint32_t alternative) {
  Allocation best;
  Score best_score{};
  for (const auto& [hardware, unused] : scratch_.index().hardware()) {
    const Buckets& buckets = scratch_.buckets(hardware);
    if (buckets.empty()) continue;
    const NodeId example = buckets.begin()->second.front().node;
    const HardwareFit& fit = scratch_.hardware_fit_of(ask_, ask_.unit.group, alternative, example);
    if (!fit.possible) continue;
    Score score{};
    const auto candidate = best_of_hardware(buckets, fit, alternative, score);
    if (!candidate) continue;
    const bool better = best.claims.empty() || score > best_score ||
                        (score == best_score && candidate->node < best.claims[0].node);
    if (!better) continue;
    // Nodes of one hardware count alike against a quota: one refusal speaks for all of them.
    Allocation trial;
    trial.claims.push_back(
        claim_on(candidate->node, ask_.unit.group, alternative, 1, candidate->device));
    if (!quota_allows(trial)) continue;
    best = std::move(trial);
    best_score = score;
  }
  return best;
}

// What is remembered of the class, where answers may be: beside no promise, and where the score
// follows from the node alone.
std::vector<Memory::Place>* Search::places_of(std::uint32_t alternative) {
  if (scratch_.timed() || !policy_.packing().is_local()) return nullptr;
  const std::uint64_t key = mix(mix(ask_.unit_class, ask_.unit.group),
                                mix(alternative, scratch_.state().config_version()));
  return &scratch_.memory().places(key, scratch_.state().nodes().size());
}

// How good the node is for one task, and which device of it; nothing where it does not fit.
std::optional<Score> Search::look(Candidate& at, std::uint32_t alternative,
                                  std::vector<Memory::Place>* places) {
  const std::uint32_t group = ask_.unit.group;
  if (places == nullptr || scratch_.changed(at.node)) {
    if (tasks_on(at, group, alternative, 1) == 0) return std::nullopt;
    return best_device(at, alternative);
  }
  Memory::Place& place = (*places)[at.node.value - 1];
  const Revision touched = scratch_.index().touched(at.node);
  if (place.touched != touched) {
    const bool fits = tasks_on(at, group, alternative, 1) > 0;
    if (gave_up_) return std::nullopt;
    place = {touched, fits};
    if (fits) place.score = best_device(at, alternative);
    if (at.device) place.device = *at.device;
  } else if (!spend_step()) {
    return std::nullopt;
  }
  if (!place.fits) return std::nullopt;
  if (place.device != Memory::no_device) at.device = place.device;
  return place.score;
}

// The score of the best device for a task that wants a part of one, where the policy cares.
Score Search::best_device(Candidate& at, std::uint32_t alternative) const {
  const std::uint32_t group = ask_.unit.group;
  const auto& requests = ask_.job->groups[group].any_of[alternative].resources.devices;
  const bool of_one = requests.size() == 1 && requests[0].count == 1 && at.fit->share_max > 0;
  if (!of_one || !policy_.packing().chooses_device()) return score_of(at, group, alternative, 1);
  NodeFree storage;
  const std::vector<MilliDevices>& left = scratch_.window(at.node, ask_, storage)->devices;
  Score best{};
  std::vector<MilliDevices> seen;
  for (const std::uint32_t ordinal : at.fit->ordinals[0]) {
    if (left[ordinal] < requests[0].share) continue;
    if (std::find(seen.begin(), seen.end(), left[ordinal]) != seen.end()) continue;
    seen.push_back(left[ordinal]);
    Candidate with = at;
    with.device = ordinal;
    const Score score = score_of(with, group, alternative, 1);
    if (at.device && score <= best) continue;
    at.device = ordinal;
    best = score;
  }
  return best;
}

std::optional<Candidate> Search::best_of_hardware(const Buckets& buckets, const HardwareFit& fit,
                                                  std::uint32_t alternative, Score& best) {
  const std::uint32_t group = ask_.unit.group;
  const Resources& wanted = ask_.job->groups[group].any_of[alternative].resources;
  const bool spreads = !spread_used_.empty();
  const bool packs = policy_.packing().follows_buckets() && !spreads;
  std::optional<Candidate> found;
  std::uint32_t found_used = 0;
  NodeId last;
  std::vector<Memory::Place>* const places = places_of(alternative);
  for (const auto& [key, bucket] : buckets) {
    if (!could_hold(fit, key)) continue;
    if (packs && found && fit.share_max == 0 && key.devices_whole > found->bucket.devices_whole)
      break;
    bucket.each(wanted.cores.value, wanted.memory.value, [&](const Slot& slot) {
      Candidate candidate{slot.node, key, &fit};
      // A twin of the one before is no better, and its id is higher.
      const NodeId before = std::exchange(last, slot.node);
      if (places == nullptr && !spreads && !scratch_.timed() && before.value > 0 &&
          excluded_.empty() && scratch_.free(before) == scratch_.free(slot.node))
        return true;
      const std::optional<Score> looked = look(candidate, alternative, places);
      if (!looked) return !gave_up_;
      const Score& score = *looked;
      std::uint32_t used = 0;
      if (spreads) {
        const auto part = spread_used_.find(part_of(slot.node, ask_.job->topology->spread));
        used = part == spread_used_.end() ? 0 : part->second;
      }
      const bool better =
          !found || used < found_used ||
          (used == found_used && (score > best || (score == best && slot.node < found->node)));
      if (better) {
        found = candidate;
        found_used = used;
        best = score;
      }
      return !packs;  // packed, the rest of the bucket fits worse
    });
    if (gave_up_) return found;
  }
  if (found) best[0] -= policy_.packing().surcharge(condition_of(*found, group, alternative, 1));
  // Less crowded parts come before any score, across hardware too.
  if (found && spreads) best[0] -= std::int64_t{found_used} * 1'000;
  return found;
}

}  // namespace busbar::core
