// Writes the golden events of this version: NAME.hex, one encoded event a line, and NAME.jsonl, its
// export. The content is fixed: two events of every kind, filled from one seed. Made once per
// release that changed a form, kept for ever. Usage: events_golden FOLDER NAME
#include <cstdio>
#include <fstream>
#include <string>

#include "hex.hpp"
#include "model/testing.hpp"

namespace {

int fail(const std::string& text) {
  std::fprintf(stderr, "events_golden: %s\n", text.c_str());
  return 1;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return fail("usage: events_golden FOLDER NAME");
  const std::string base = std::string(words[1]) + "/" + words[2];
  std::ofstream hex(base + ".hex");
  std::ofstream text(base + ".jsonl");
  busbar::Rng rng(20'26);
  for (std::size_t kind = 0; kind < busbar::testing::event_kinds; ++kind) {
    for (int round = 0; round < 2; ++round) {
      const busbar::Event event = busbar::testing::random_event(rng, kind, 2);
      hex << busbar::golden::to_hex(busbar::encode_event(event)) << '\n';
      text << busbar::event_json(event) << '\n';
    }
  }
  hex.flush();
  text.flush();
  return hex && text ? 0 : fail("cannot write " + base);
}
