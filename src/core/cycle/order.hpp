// The order pass: (priority band, tenant key, unit key, id), as a stream of cohorts. Tenant keys
// follow what the cycle hands out, so that tenants of equal claim take turns.
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
    CohortId cohort;
    std::uint64_t unit_class = 0;
    std::int64_t unit_key = 0;
  };
  // The cohort whose turn it is; nothing at the end of the last band.
  std::optional<Item> front();
  // The front's tenant was given something: its key may have grown.
  void rekey();
  // The front cohort is done for this cycle; the cursor notes it.
  void advance();
  // Writes down where a later slice goes on.
  void note(Cursor& cursor) const;

 private:
  struct Line {  // one tenant's cohorts in the band
    const Cohorts* cohorts = nullptr;
    Cohorts::const_iterator at;
    std::vector<Item> sorted;  // used where unit keys do not follow ids
    std::size_t position = 0;
  };

  bool open_band();
  void open_line(TenantId tenant, const Cohorts& cohorts);
  std::optional<Item> item_of(TenantId tenant, const Line& line) const;
  TenantKey key_of(TenantId tenant) const;

  Context& context_;
  bool ids_;
  Waiting::const_iterator band_;
  std::map<TenantId, Line> lines_;
  std::map<TenantId, CursorPlace> places_;
  std::set<std::pair<TenantKey, TenantId>> turns_;
};

}  // namespace busbar::core
