// What every command has at hand: the daemon, the screen, and how to answer.
#pragma once

#include <nlohmann/json.hpp>  // tidy: heavy, every command reads answers
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/screen.hpp"

namespace busbar::cli {

inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_refused = 3;
inline constexpr int exit_unreachable = 4;
inline constexpr int exit_busbar_failed = 125;  // of run and wait
inline constexpr int exit_interrupted = 130;    // of the same, after Ctrl-C

using Json = nlohmann::json;

struct Context {
  Client& client;
  Screen screen;
  bool json = false;
  bool quiet = false;

  void out(std::string_view text) const;   // stdout
  void note(std::string_view text) const;  // stderr, a line, unless quiet
  // The table on stdout, or the note where it is empty; nothing when quiet, which prints ids alone.
  void show(const Table& table, std::string_view when_empty) const;
  // Prints "busbar: sentence" and gives the exit code that fits.
  int fail(const Error& error) const;
  // The same for a wrong use of the command line.
  int misuse(const std::string& sentence) const;
  // The answer's JSON; a body that is none is the daemon's fault.
  Result<Json> get(const std::string& path, const Query& query = {}) const;
  Result<Json> post(const std::string& path, const Json& body = Json::object(),
                    const Query& query = {}) const;
};

// What the API gives, without throwing: the default where a field is null, absent or of another
// type.
std::string text_at(const Json& json, const char* field);  // harmless() already
std::string joined(const Json& list, const char* between = ",");
std::int64_t integer_at(const Json& json, const char* field, std::int64_t otherwise = 0);
double number_at(const Json& json, const char* field, double otherwise = 0);
bool flag_at(const Json& json, const char* field);
const Json& list_at(const Json& json, const char* field);  // an empty array where there is none
const Json& object_at(const Json& json, const char* field);

}  // namespace busbar::cli
