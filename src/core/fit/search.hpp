// What the searches for one task and for gangs share. Internal to core/fit.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/fit/find.hpp"

namespace busbar::core {

struct Candidate {
  NodeId node;
  BucketKey bucket;
  const HardwareFit* fit = nullptr;
  std::optional<std::uint32_t> device = {};  // as in NodeCondition
};

class Search {
 public:
  Search(Scratch& scratch, const Policy& policy, const Ask& ask, Steps& steps);

  Found run();

 private:
  struct Seat {  // a node and how many tasks it could hold
    NodeId node;
    std::uint32_t cap = 0;
    Score score{};
    std::uint64_t spread_part = 0;
  };
  using Seats = std::vector<Seat>;
  struct Dealt {
    NodeId node;
    std::uint32_t tasks = 0;
  };
  enum class Size : std::uint8_t { whole, largest };
  struct Part {  // of the topology; every node of it is inside
    std::vector<NodeId> nodes;
    std::uint64_t room = 0;  // tasks of all groups, each counted alone
  };

  // search.cpp
  NodeAsk node_ask(NodeId node, const HardwareFit& fit, std::uint32_t group,
                   std::uint32_t alternative, std::uint32_t own_claims) const;
  std::uint32_t tasks_on(const Candidate& at, std::uint32_t group, std::uint32_t alternative,
                         std::uint32_t tasks_max);
  bool could_hold(const HardwareFit& fit, const BucketKey& bucket) const;
  NodeCondition condition_of(const Candidate& at, std::uint32_t group, std::uint32_t alternative,
                             std::uint32_t tasks) const;
  Score score_of(const Candidate& at, std::uint32_t group, std::uint32_t alternative,
                 std::uint32_t tasks) const;
  Claim claim_on(NodeId node, std::uint32_t group, std::uint32_t alternative, std::uint32_t tasks,
                 std::optional<std::uint32_t> device = {});
  bool quota_allows(const Allocation& allocation);
  std::uint64_t part_of(NodeId node, const std::string& level) const;
  std::size_t depth_of(const std::string& level) const;

  // find.cpp: one task
  Found run_single();
  Allocation best_node(std::uint32_t alternative);
  std::optional<Candidate> best_of_hardware(const Buckets& buckets, const HardwareFit& fit,
                                            std::uint32_t alternative, Score& best);
  bool spend_step();
  std::vector<Memory::Place>* places_of(std::uint32_t alternative);
  std::optional<Score> look(Candidate& at, std::uint32_t alternative,
                            std::vector<Memory::Place>* places);
  Score best_device(Candidate& at, std::uint32_t alternative) const;
  void count_spread();

  // gang.cpp: all or nothing
  Found run_gang();
  bool run_extreme();
  std::set<DeviceRule> device_rules() const;
  bool place_gang(std::uint32_t alternatives);
  bool place_level(std::size_t depth, Size size);
  template <class F>
  void each_in_part(std::size_t depth, F f);
  std::vector<Part> parts_at(std::size_t depth);
  bool place_in(const std::vector<NodeId>& nodes, Size size);
  bool place_groups(const std::vector<NodeId>& nodes, Size size);
  bool place_group(std::uint32_t group, const std::vector<NodeId>& nodes, Size size);
  std::size_t outermost() const;
  bool place_whole();
  void gang_nodes(std::uint64_t nodes_max);
  Seats seats_of(std::uint32_t group, std::uint32_t alternative, const std::vector<NodeId>& nodes);

  // deal.cpp: tasks of one group over seats
  static std::vector<Dealt> deal(const TaskGroup& group, Seats seats, Size size, std::uint32_t most,
                                 bool spread, bool roomiest);

  static void sort_seats(Seats& seats, bool spread);
  static std::vector<Dealt> deal_nodes(const TaskGroup& group, const Seats& seats, Size size,
                                       std::uint32_t most);
  static std::vector<Dealt> deal_full(const TaskGroup& group, const Seats& seats, Size size,
                                      std::uint32_t most);
  static std::vector<Dealt> deal_rounds(const Seats& seats, std::uint32_t want);
  static std::vector<Dealt> deal_packed(const Seats& seats, std::uint32_t want);

  // shortfall.cpp
  Miss shortfall();
  bool describe_closest(Miss& miss);
  void describe_room(Miss& miss) const;
  void describe_closed(Miss& miss);

  Scratch& scratch_;
  const Policy& policy_;
  const Ask& ask_;
  Steps& steps_;
  std::uint32_t steps_before_;
  std::set<NodeId> excluded_;
  const DeviceRule* rule_ = nullptr;
  bool blocked_ = false;  // a promise or a closure took what is free now
  bool closed_ = false;   // of these, the first was a closure
  bool met_closure_ = false;
  bool gave_up_ = false;
  bool roomiest_ = false;  // groups with a bound for each node take from where there is most
  std::string blocked_where_;
  std::optional<Miss> quota_miss_;
  Allocation found_;                                    // of the gang under way
  bool room_cut_ = false;                               // gang_nodes left some out
  std::uint32_t alternatives_ = 1;                      // allowed now: the first so many
  std::vector<std::pair<NodeId, std::uint64_t>> room_;  // of gang_nodes, tasks of all groups
  std::map<std::uint64_t, std::uint32_t> spread_used_;  // attempts of the job by part
};

}  // namespace busbar::core
