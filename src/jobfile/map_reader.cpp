#include "jobfile/map_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::size_t problems_told_max = 8;

std::string joined(std::string_view path, std::string_view name) {
  if (path.empty()) return printable(name, 60);
  return fmt::format("{}.{}", path, printable(name, 60));
}

// The number in `text` would be good, were it not for its sign.
bool is_negative(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9';
}

// The text of a scalar; notes the problem for anything else.
bool scalar(const Field& field, Problems& problems, std::string_view allowed) {
  if (field.is(yaml::Kind::text)) return true;
  field.refuse(problems, fmt::format("found {}; write {}", found(*field.value), allowed));
  return false;
}

// The same for a quantity, which has no sign.
bool unsigned_scalar(const Field& field, Problems& problems, std::string_view allowed) {
  if (!scalar(field, problems, allowed)) return false;
  if (!is_negative(field->text)) return true;
  field.refuse(problems, fmt::format("{} is negative; write {}", found(*field.value), allowed));
  return false;
}

}  // namespace

void Problems::add(yaml::Place place, std::string_view path, std::string_view text) {
  if (full()) return;
  Problem problem{place, path.empty() ? std::string(text) : fmt::format("{}: {}", path, text)};
  const auto at =
      std::upper_bound(problems_.begin(), problems_.end(), problem,
                       [](const Problem& a, const Problem& b) { return a.place < b.place; });
  for (auto before = at; before != problems_.begin();) {
    --before;
    if (before->place != problem.place) break;
    if (before->text == problem.text) return;
  }
  problems_.insert(at, std::move(problem));
}

Error Problems::error() const {
  check(!problems_.empty(), "Problems::error() without a problem");
  std::string text;
  for (std::size_t i = 0; i < problems_.size() && i < problems_told_max; ++i) {
    const Problem& problem = problems_[i];
    text += fmt::format("{}{}:{}:{}: {}", i == 0 ? "" : "\n", printable(file_name_, 200),
                        problem.place.line, problem.place.column, problem.text);
  }
  if (problems_.size() > problems_told_max)
    text += fmt::format("\n... and {} more", problems_.size() - problems_told_max);
  return {Errc::invalid, std::move(text)};
}

Field Field::child(std::size_t index) const {
  const yaml::Value& item = value->items[index];
  if (value->kind == yaml::Kind::map) return {&item, joined(path, item.key)};
  return {&item, fmt::format("{}[{}]", path, index)};
}

std::string found(const yaml::Value& value) {
  if (value.kind == yaml::Kind::text) return fmt::format("\"{}\"", printable(value.text));
  return std::string(yaml::kind_words(value.kind));
}

std::string found_many(const yaml::Value& value, yaml::Kind wanted) {
  if (value.kind != wanted) return found(value);
  const char* kind = wanted == yaml::Kind::list ? "list" : "map";
  if (value.items.empty()) return fmt::format("an empty {}", kind);
  return fmt::format("a {} of {}", kind, value.items.size());
}

std::string either(Names words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

bool read(const Field& field, Problems& problems, std::string& out) {
  if (!scalar(field, problems, "a text")) return false;
  out = field->text;
  return true;
}

bool read(const Field& field, Problems& problems, bool& out) {
  if (!scalar(field, problems, "true or false")) return false;
  if (field->text != "true" && field->text != "false") {
    field.refuse(problems, fmt::format("{} is neither true nor false; write one of them",
                                       found(*field.value)));
    return false;
  }
  out = field->text == "true";
  return true;
}

bool read(const Field& field, Problems& problems, Bytes& out) {
  if (!unsigned_scalar(field, problems, "a size such as 64G")) return false;
  const auto parsed = parse_bytes(field->text);
  if (!parsed) return field.refuse(problems, parsed.error().text), false;
  out = *parsed;
  return true;
}

bool read(const Field& field, Problems& problems, Span& out) {
  if (!unsigned_scalar(field, problems, "a duration such as 2h30m")) return false;
  const auto parsed = parse_span(field->text);
  if (!parsed) return field.refuse(problems, parsed.error().text), false;
  out = *parsed;
  return true;
}

bool read_milli(const Field& field, Problems& problems, std::int64_t& out) {
  if (!unsigned_scalar(field, problems, "a number such as 2 or 0.5")) return false;
  const auto parsed = parse_milli(field->text);
  if (!parsed) return field.refuse(problems, parsed.error().text), false;
  out = *parsed;
  return true;
}

bool read_integer(const Field& field, Problems& problems, std::int64_t& out, std::int64_t min,
                  std::int64_t max) {
  const std::string allowed = fmt::format("a whole number from {} to {}", min, max);
  if (!scalar(field, problems, allowed)) return false;
  std::string_view digits = field->text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  const auto parsed = parse_count(digits);
  const bool digits_only =
      !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  const std::int64_t value = parsed ? (negative ? -*parsed : *parsed) : 0;
  if (!digits_only) {
    field.refuse(problems,
                 fmt::format("{} is not a whole number; write {}", found(*field.value), allowed));
    return false;
  }
  if (!parsed || value < min || value > max) {
    field.refuse(problems,
                 fmt::format("{} is out of range; write {}", printable(field->text), allowed));
    return false;
  }
  out = value;
  return true;
}

bool read_word(const Field& field, Problems& problems, Names words, std::size_t& out) {
  const std::string allowed = either(words);
  if (!scalar(field, problems, allowed)) return false;
  const auto at = std::find(words.begin(), words.end(), field->text);
  if (at == words.end()) {
    const std::string_view near = nearest(field->text, words);
    field.refuse(problems,
                 near.empty()
                     ? fmt::format("{} is not known; write {}", found(*field.value), allowed)
                     : fmt::format("{} is not known; did you mean \"{}\"? Allowed: {}",
                                   found(*field.value), near, allowed));
    return false;
  }
  out = static_cast<std::size_t>(at - words.begin());
  return true;
}

bool read_texts(const Field& field, Problems& problems, std::vector<std::string>& out,
                std::size_t count_max) {
  out.clear();
  if (field.is(yaml::Kind::text)) return out.push_back(field->text), true;
  if (!field.is(yaml::Kind::list))
    return field.refuse(problems,
                        fmt::format("found {}; write a list of texts", found(*field.value))),
           false;
  if (field->items.size() > count_max)
    return field.refuse(problems, fmt::format("a list of {} is too long; at most {} are allowed",
                                              field->items.size(), count_max)),
           false;
  bool good = true;
  for (std::size_t i = 0; i < field->items.size(); ++i)
    good = read(field.child(i), problems, out.emplace_back()) && good;
  return good;
}

MapReader::MapReader(const yaml::Value& value, std::string path, Names fields, Problems& problems)
    : value_(&value), path_(std::move(path)), fields_(fields), problems_(&problems) {
  if (value.kind != yaml::Kind::map) {
    problems.add(value.place, path_,
                 fmt::format("found {}; write fields, each as \"name: value\"", found(value)));
    return;
  }
  for (const yaml::Value& item : value.items) {
    if (problems.full()) return;
    if (std::find(fields.begin(), fields.end(), item.key) == fields.end()) {
      const std::string_view near = nearest(item.key, fields);
      problems.add(item.key_place, path_,
                   near.empty() ? fmt::format("unknown field \"{}\"; allowed: {}",
                                              printable(item.key), either(fields))
                                : fmt::format("unknown field \"{}\"; did you mean \"{}\"?",
                                              printable(item.key), near));
    } else if (item.kind == yaml::Kind::null) {
      problems.add(item.key_place, joined(path_, item.key),
                   "this field is empty; write a value or remove it");
    }
  }
}

Field MapReader::find_here(std::string_view field) const {
  check(std::find(fields_.begin(), fields_.end(), field) != fields_.end(),
        "a map's reader asks for a field it did not declare");
  const yaml::Value* value = value_->find(field);
  if (value == nullptr || value->kind == yaml::Kind::null) return {};
  return {value, joined(path_, field)};
}

Field MapReader::find_above(std::string_view field) const {
  return defaults_ == nullptr ? Field() : defaults_->find(field);
}

Field MapReader::find(std::string_view field) const {
  Field here = find_here(field);
  return here ? here : find_above(field);
}

Field MapReader::require(std::string_view field) const {
  Field at = find(field);
  if (!at && value_->kind == yaml::Kind::map && value_->find(field) == nullptr)
    refuse(fmt::format("the field \"{}\" is missing", field));
  return at;
}

void MapReader::refuse(std::string_view text) const { problems_->add(value_->place, path_, text); }

void MapReader::refuse(std::string_view field, std::string_view text) const {
  if (const Field at = find(field)) return at.refuse(*problems_, text);
  refuse(text);
}

}  // namespace busbar::jobfile
