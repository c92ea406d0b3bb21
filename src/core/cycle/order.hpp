// The order pass: (priority band, tenant key, unit key, id), as a stream of cohorts. Tenant keys
// follow what the cycle hands out, so that tenants of equal claim take turns.
//
// Each tenant has a lane of its lines, one for each class, merged by unit key. A line that the
// context passes over is left as a whole. Cohorts with a promise are never passed over, and those
// whose begin time came since the last event stand in no line yet: both are stragglers, merged in.
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
  struct Head {  // of a line, or a straggler
    LineKey key;
    std::uint64_t unit_class = 0;
    const Line* line = nullptr;  // nothing: a straggler
    Line::const_iterator at;
  };
  using Lane = std::vector<Head>;  // a heap, the smallest key on top

  bool next_band();
  void open_band();
  Lane& lane_of(TenantId tenant);
  void open_lines(TenantId tenant, Lane& lane);
  void add_line(TenantId tenant, std::uint64_t unit_class, const Line& line, Lane& lane);
  const Head* settle(TenantId tenant);
  void pop(Lane& lane);
  void gather_stragglers();
  const LineKey* done_until(TenantId tenant) const;
  TenantKey key_of(TenantId tenant) const;

  Context& context_;
  const Waiting& waiting_;
  const Band* band_ = nullptr;  // nothing: only stragglers
  bool open_ = false;
  std::map<std::int32_t, std::map<TenantId, std::vector<Item>>, HigherBandFirst> stragglers_;
  std::map<TenantId, Lane> lanes_;
  std::map<TenantId, LineKey> done_;    // how far, by tenant
  std::set<TenantId> left_;             // tenants that are done with the band
  std::vector<std::uint64_t> classes_;  // not passed over, where few are left
  bool few_ = false;
  std::set<std::pair<TenantKey, TenantId>> turns_;
};

}  // namespace busbar::core
