// Reads a part of an output file with the rights of its owner.
//
// Units    bytes; at most log_bytes_max per call.
// Errors   invalid: not an absolute plain path. not_found: no such file yet. denied: the user may
//          not read it, or it is a link or no regular file.
#pragma once

#include "engine/local/account.hpp"
#include "engine/local/output_book.hpp"
#include "ports/engine.hpp"

namespace busbar::local {

inline constexpr std::int64_t log_bytes_max = 1 << 20;

// Of the `part` of the file; of all of it where it is shorter than its beginning: somebody began it
// anew.
Result<LogChunk> read_log_file(const LogRequest& request, const UserPolicy& policy,
                               OutputBook::Range part = {});

}  // namespace busbar::local
