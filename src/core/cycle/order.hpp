// The order pass: (priority band, tenant key, unit key, id), as a stream of cohorts. Tenant keys
// follow what the cycle hands out, so that tenants of equal claim take turns.
//
// Each tenant has a lane: its queue, or where the context passes over nearly all of that, what its
// queue holds of each class that is left, merged by unit key. Cohorts with a promise are never
// passed over, and those whose begin time came since the last event stand in no queue yet: both are
// stragglers, merged in.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/cycle/context.hpp"

namespace busbar::core {

class Order {
 public:
  explicit Order(Context& context);

  struct Item {
    TenantId tenant;
    LineKey key;
    std::uint64_t unit_class = 0;
    friend auto operator<=>(const Item&, const Item&) = default;
  };
  // The cohort whose turn it is; nothing at the end of the last band.
  std::optional<Item> front();
  // The front's tenant was given something: its key may have grown.
  void rekey();
  // The front cohort is done for this cycle; the cursor notes it.
  void advance();
  // The front's tenant is done for this cycle in this band.
  void leave_tenant();
  // Opens the band again behind what is done: what the context passes over has changed.
  void reopen();
  // Writes down where a later slice goes on.
  void note(Cursor& cursor) const;

 private:
  using Queue = Ordered<Queued>;
  using Members = Ordered<ClassMember>;
  enum class Source : std::uint8_t { queue, members, straggler };
  struct Head {  // the first of its source that is not done
    LineKey key;
    std::uint64_t unit_class = 0;
    Source source = Source::straggler;
    Queue::Iterator queued, queue_end;
    Members::Iterator member, members_end;
  };
  using Lane = std::vector<Head>;  // a heap, the smallest key on top

  bool next_band();
  void open_band();
  void open_turns();
  void choose_classes();
  Lane& lane_of(TenantId tenant);
  void open_queue(TenantId tenant, Lane& lane);
  void open_members(TenantId tenant, Lane& lane);
  bool passes_over(TenantId tenant, std::uint64_t unit_class);
  bool next_in_source(TenantId tenant, Head& head);
  const Head* settle(TenantId tenant);
  void pop(Lane& lane);
  void gather_stragglers();
  const LineKey* done_until(TenantId tenant) const;
  TenantKey key_of(TenantId tenant);

  Context& context_;
  const Waiting& waiting_;
  const Band* band_ = nullptr;  // nothing: only stragglers
  bool open_ = false;
  std::map<std::int32_t, std::map<TenantId, std::vector<Item>>, HigherBandFirst> stragglers_;
  std::map<TenantId, Lane> lanes_;
  std::map<TenantId, LineKey> done_;  // how far, by tenant
  std::set<TenantId> left_;           // tenants that are done with the band
  bool by_class_ = false;             // few are not passed over: lanes are made of classes_
  std::vector<std::pair<std::uint64_t, const Members*>> classes_;  // not passed over
  std::uint32_t passed_ = 0;  // cohorts passed over since the last step was counted
  std::set<std::pair<TenantKey, TenantId>> turns_;
};

}  // namespace busbar::core
