// The `journal` commands of busbar-lab.
//
// Shape    each returns an exit code: 0 fine, 1 found corrupt, 2 wrong use or not readable. What
// was
//          asked for goes to `out`, sentences about trouble to `trouble`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "model/ids.hpp"

namespace busbar::lab {

inline constexpr int exit_fine = 0;
inline constexpr int exit_corrupt = 1;
inline constexpr int exit_usage = 2;

struct ExportRange {
  Revision from;  // 0: the first there is
  Revision to;    // 0: the last
  std::optional<JobId> job;
};

// One JSON object a line.
int export_journal(const std::string& folder, const ExportRange& range, std::ostream& out,
                   std::ostream& trouble);
// Checksums, order, decodability, payloads; and that replaying equals what snapshots say.
int verify_journal(const std::string& folder, std::ostream& out, std::ostream& trouble);
// Folds the events up to `to` (0: all) into State and prints what came out.
int replay_journal(const std::string& folder, Revision to, std::ostream& out,
                   std::ostream& trouble);
int backup_journal(const std::string& folder, const std::string& file, std::ostream& out,
                   std::ostream& trouble);

// The whole program behind main().
int run_lab(int count, const char* const* words, std::ostream& out, std::ostream& trouble);

}  // namespace busbar::lab
