// Small text helpers for messages: splitting, trimming, nearest names, safe printing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace busbar {

std::string lower(std::string_view text);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);

// For echoing what a user sent: control and non-UTF-8 bytes become '?', at most `length_max` bytes
// are kept, and what was cut is marked by "...".
std::string printable(std::string_view text, std::size_t length_max = 80);
bool is_utf8(std::string_view text);

// The candidate nearest to `name` by edit distance (case ignored), if it is near enough to be a
// slip of the hand (at most a third of the longer one's length, at least 1); empty otherwise. Ties:
// first candidate.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace busbar
