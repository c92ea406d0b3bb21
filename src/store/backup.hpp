// A copy of the journal while it is in use: one file that is a whole database, of one moment.
//
// Errors   not_found: no journal there. conflict: the target exists. unavailable, denied: the
//          target cannot be written; nothing is left behind.
#pragma once

#include <string>

#include "base/result.hpp"

namespace busbar::store {

// Safe beside a running daemon. `file` must not exist; it becomes 0600 and is synced. Restoring is
// putting it in place as journal.db of an empty 0700 folder.
Result<Ok> backup(const std::string& folder, const std::string& file);

}  // namespace busbar::store
