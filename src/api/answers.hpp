// Small pieces that several handlers share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json_out.hpp"
#include "api/request.hpp"
#include "api/views.hpp"

namespace busbar::api {

// Calls `read` with a lens on the replica; what it returns is handed on.
template <class Read>
auto looking(const Replica& replica, const Backend& backend, const Read& read) {
  using Answer = decltype(read(std::declval<const Lens&>()));
  std::optional<Answer> answer;
  replica.with([&](const ReadView& view) {
    answer.emplace(read(Lens{view, backend, std::max(backend.now(), view.state.now())}));
  });
  return std::move(*answer);
}

template <class T>
Response json_response(const T& value, int status = 200) {
  Response response;
  response.status = status;
  response.body = to_json(value);
  return response;
}

// {"revision":..,"message":".."}
Response changed(const Committed& committed, std::string message, int status = 200);

inline constexpr std::int64_t page_entries_max = 1000;
inline constexpr std::int64_t page_entries_usual = 50;

// "RUNNING,PENDING" as a set of state words in any case; invalid names the nearest word.
Result<std::vector<RunState>> parse_states(std::string_view text);
std::vector<std::string> split_list(std::string_view text);
// `*` stands for any run of characters.
bool matches_pattern(std::string_view text, std::string_view pattern);
// The user that a query names: `me` is the caller.
std::string user_meant(const Call& call);

// The strings of a JSON body that is an object of strings only, absent where it is empty. invalid:
// no JSON, an unknown field (with the nearest known one), or a field of another type.
struct BodyField {
  std::string name;
  std::string text;                // strings; numbers, true and false as they were written
  std::vector<std::string> items;  // arrays of strings
  bool is_list = false;
};
Result<std::vector<BodyField>> parse_body(const Request& request,
                                          std::span<const std::string_view> allowed);
const BodyField* find_field(const std::vector<BodyField>& fields, std::string_view name);
// The `reason` of a body, "" when there is none.
Result<std::string> parse_reason(const Request& request);

}  // namespace busbar::api
