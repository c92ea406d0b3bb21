// Bytes on the heap that State and Index hold for a waiting array unit, a job of one unit and a
// node, counted by the allocator, with what it rounds up. Prints one JSON object.
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "core_world.hpp"

namespace {

std::size_t held = 0;  // bytes in use, the allocator's own words included

constexpr std::size_t chunk_header = sizeof(std::size_t);

}  // namespace

void* operator new(std::size_t size) {
  void* at = std::malloc(size);
  if (at == nullptr) std::abort();
  held += malloc_usable_size(at) + chunk_header;
  return at;
}
void operator delete(void* at) noexcept {
  if (at == nullptr) return;
  held -= malloc_usable_size(at) + chunk_header;
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept { operator delete(at); }

namespace busbar::bench {
namespace {

template <class F>
double grows(F act) {
  const std::size_t before = held;
  act();
  return static_cast<double>(held) - static_cast<double>(before);
}

void run() {
  constexpr std::uint32_t nodes = 10'000;
  constexpr std::uint32_t jobs = 50'000;
  constexpr std::uint32_t array_units = 100'000;
  World world({0, 0, 300, 200}, 1);
  double per_node = grows([&] {
    for (std::uint32_t n = 0; n < nodes; ++n) {
      Node node = node_of(n);
      node.id = world.ledger.state.next_node();
      world.ledger.apply(NodeRegistered{std::move(node)});
    }
  });
  double per_job = grows([&] {
    for (std::uint32_t j = 0; j < jobs; ++j) world.submit();
  });
  Job array = world.draw();
  array.coupling = Coupling::loose;
  array.groups.resize(1);
  array.groups[0].count = {array_units, array_units};
  array.groups[0].array = {{0, array_units - 1, 1}};
  const double whole = grows([&] { world.ledger.apply(Submitted{{array}, ""}); });
  // Every other unit waits: no interval is longer than one unit.
  double per_unit = grows([&] {
    IndexSet held_units;
    for (std::uint32_t u = 0; u < array_units; u += 2) held_units.insert(u);
    world.ledger.apply(UnitsHeld{array.id, 0, held_units, "asked", ""});
  });
  fmt::print("one array of {} waiting units: {:.0f} bytes; with every other one held {:.0f} more\n",
             array_units, whole, per_unit);
  per_unit = (whole + per_unit) / array_units;
  per_node /= nodes;
  per_job /= jobs;
  fmt::print(
      "sizeof: Job {} TaskGroup {} Alternative {} JobRecord {} GroupRecord {} Node {} "
      "Device {} NodeRecord {} NodeFree {}\n",
      sizeof(Job), sizeof(TaskGroup), sizeof(Alternative), sizeof(core::JobRecord),
      sizeof(core::GroupRecord), sizeof(Node), sizeof(Device), sizeof(core::NodeRecord),
      sizeof(core::NodeFree));
  fmt::print(
      "{{\"bytes_per_waiting_unit\": {:.1f}, \"bytes_per_single_unit_job\": {:.0f}, "
      "\"bytes_per_node\": {:.0f}}}\n",
      per_unit, per_job, per_node);
}

}  // namespace
}  // namespace busbar::bench

int main() { busbar::bench::run(); }
