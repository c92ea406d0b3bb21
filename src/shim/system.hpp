// The few calls to the system that every part of the shim needs.
//
// Units    milliseconds, as in protocol.hpp; *_mono_ms is CLOCK_MONOTONIC (suspend does not count).
// Errors   functions that return int give 0 or an errno value.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace busbar::shim {

inline constexpr std::int64_t never_ms = std::numeric_limits<std::int64_t>::max();

std::int64_t clock_ms(clockid_t clock);

// Relative paths begin in `folder`, a descriptor, here and below.
// The whole file, at most 1 MiB of it; "" when it cannot be read.
std::string read_file(const std::string& path, int folder = AT_FDCWD);
// Opens an existing file and writes `text` at once, as control files want it.
int write_file(const std::string& path, std::string_view text, int folder = AT_FDCWD);
// Names in a folder, sorted: only folders, or everything but folders, without those that begin with
// '.'; or only folders that do.
enum class Entries { folders, others, hidden_folders };
std::vector<std::string> list_folder(const std::string& path, Entries entries);
bool exists(const std::string& path);
// "NAME N" in a file of such lines (cpu.stat, memory.events); -1 when it is not there.
std::int64_t keyed_number(std::string_view text, std::string_view key);
std::int64_t to_number(std::string_view text);  // -1 when it does not begin with a digit

}  // namespace busbar::shim
