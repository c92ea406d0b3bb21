#include "api/answers.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t text_bytes_max = 1000;

struct ChangedView {
  Revision revision;
  std::string message;
};
template <class V>
void describe(V& visit, Like<ChangedView> auto& view) {
  visit("revision", view.revision);
  visit("message", view.message);
}

std::string joined(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

Result<BodyField> read_field(const std::string& name, const nlohmann::json& value) {
  BodyField field{name, {}, {}, value.is_array()};
  if (value.is_string()) {
    field.text = value.get<std::string>();
  } else if (value.is_number()) {
    field.text = value.dump();
  } else if (value.is_boolean()) {
    field.text = value.get<bool>() ? "true" : "false";
  } else if (value.is_array() && value.size() <= 100'000) {
    for (const auto& item : value) {
      if (!item.is_string()) return {Errc::invalid, name + ": every item must be a text"};
      field.items.push_back(item.get<std::string>());
    }
  } else {
    return {Errc::invalid, name + ": must be a text, a number, true or false, or a list of texts"};
  }
  if (field.text.size() > text_bytes_max)
    return {Errc::invalid, name + ": is longer than 1000 bytes"};
  return field;
}

}  // namespace

Response changed(const Committed& committed, std::string message, int status) {
  return json_response(ChangedView{committed.revision, std::move(message)}, status);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ',')) {
    if (!trim(item).empty()) items.emplace_back(trim(item));
  }
  return items;
}

Result<std::vector<RunState>> parse_states(std::string_view text) {
  std::vector<RunState> states;
  for (const std::string& item : split_list(text)) {
    const std::string word = [&] {
      std::string upper;
      for (const char c : item) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      return upper;
    }();
    RunState state;
    if (!from_string(word, state)) {
      const std::string_view near = nearest(word, words_of<RunState>());
      return {Errc::invalid, "'" + printable(item) + "' is no state; " +
                                 (near.empty() ? "allowed are " + joined(words_of<RunState>())
                                               : "did you mean " + std::string(near) + "?")};
    }
    states.push_back(state);
  }
  return states;
}

bool matches_pattern(std::string_view text, std::string_view pattern) {
  std::size_t at = 0;
  std::size_t in_pattern = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_at = 0;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_at = at;
    } else if (in_pattern < pattern.size() && pattern[in_pattern] == text[at]) {
      ++at, ++in_pattern;
    } else if (star != std::string_view::npos) {
      in_pattern = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

std::string user_meant(const Call& call) {
  const std::string_view user = call.query("user");
  return user == "me" ? call.caller.user.name : std::string(user);
}

Result<std::vector<BodyField>> parse_body(const Request& request,
                                          std::span<const std::string_view> allowed) {
  std::vector<BodyField> fields;
  if (trim(request.body).empty()) return fields;
  const auto depth_bounded = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    return depth <= 4;
  };
  nlohmann::json body;
  try {
    body = nlohmann::json::parse(request.body, depth_bounded);
  } catch (const nlohmann::json::exception& problem) {
    return {Errc::invalid, "the body is not JSON: " + printable(problem.what(), 200)};
  }
  if (!body.is_object())
    return {Errc::invalid, "the body must be a JSON object with " + joined(allowed)};
  for (const auto& [name, value] : body.items()) {
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      const std::string_view near = nearest(name, allowed);
      return {Errc::invalid, "'" + printable(name) + "' is not a field of this request; " +
                                 (near.empty() ? "allowed are " + joined(allowed)
                                               : "did you mean " + std::string(near) + "?")};
    }
    if (value.is_null()) continue;
    BUSBAR_TRY(field, read_field(name, value));
    fields.push_back(std::move(field));
  }
  return fields;
}

const BodyField* find_field(const std::vector<BodyField>& fields, std::string_view name) {
  for (const BodyField& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Result<std::string> parse_reason(const Request& request) {
  static constexpr std::string_view allowed[] = {"reason"};
  BUSBAR_TRY(fields, parse_body(request, allowed));
  const BodyField* reason = find_field(fields, "reason");
  return reason == nullptr ? std::string() : printable(reason->text, text_bytes_max);
}

}  // namespace busbar::api
