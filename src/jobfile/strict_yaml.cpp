#include "jobfile/strict_yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "base/units.hpp"

namespace busbar::jobfile::yaml {
namespace {

// Leaves the parser from inside its event handler; never leaves this file.
struct Refused {
  Place place;
  std::string text;
};

Place place_of(const YAML::Mark& mark) {
  if (mark.line < 0 || mark.column < 0) return {};
  return {static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

constexpr std::string_view alias_text =
    "YAML anchors (&) and aliases (*) are not read; write the value out, or put a text that begins "
    "with & or * in quotes";

constexpr std::string_view open_quote_text = "the text that begins here has no closing quote";

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Limits& limits) : limits_(limits) {}

  std::vector<Value> documents;

  // The parser takes the end of the file for a closing quote; we do not.
  std::optional<Place> open_quote(std::string_view text) const {
    if (last_text_ < 0) return std::nullopt;
    auto at = static_cast<std::size_t>(last_text_) + (text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
    if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return std::nullopt;
    const char quote = text[at];
    for (++at; at < text.size(); ++at) {
      if (text[at] == '\\' && quote == '"')
        ++at;
      else if (text[at] == quote && quote == '\'' && text.substr(at + 1).starts_with(quote))
        ++at;
      else if (text[at] == quote)
        return std::nullopt;
    }
    return last_place_;
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refused{place_of(mark), std::string(alias_text)};
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{place_of(mark), std::string(alias_text)};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    begin_value(mark, "", anchor);
    if (expects_key())
      throw Refused{place_of(mark), "a key is empty; write a name before the \":\""};
    Value value;
    value.place = place_of(mark);
    add(std::move(value));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    begin_value(mark, tag, anchor);
    if (text.find('\0') != std::string::npos)
      throw Refused{place_of(mark), "a text holds a zero byte; remove the \\0"};
    last_text_ = mark.pos;
    last_place_ = place_of(mark);
    if (expects_key()) return add_key(place_of(mark), text);
    Value value;
    value.kind = Kind::text;
    value.quoted = tag == "!";
    value.text = text;
    value.place = place_of(mark);
    add(std::move(value));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Value value;
    bool key_given = false;
    std::string key;
    Place key_place;
    std::set<std::string> keys;
  };

  bool expects_key() const {
    return !open_.empty() && open_.back().value.kind == Kind::map && !open_.back().key_given;
  }

  void begin_value(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refused{place_of(mark), std::string(alias_text)};
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Refused{place_of(mark),
                    fmt::format("YAML tags such as {} are not read; remove it, or put a text that "
                                "begins with ! in quotes",
                                printable(tag, 40))};
    if (++values_ > limits_.values_max)
      throw Refused{place_of(mark),
                    fmt::format("the file holds more than {} values", limits_.values_max)};
  }

  void add_key(Place place, const std::string& text) {
    Frame& frame = open_.back();
    if (!frame.keys.insert(text).second)
      throw Refused{place,
                    fmt::format("\"{}\" is written twice; keep one of them", printable(text))};
    frame.key_given = true;
    frame.key = text;
    frame.key_place = place;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
    begin_value(mark, tag, anchor);
    if (expects_key()) throw Refused{place_of(mark), "a key must be a text"};
    if (open_.size() >= limits_.depth_max)
      throw Refused{place_of(mark), fmt::format("nested deeper than {} levels", limits_.depth_max)};
    Frame frame;
    frame.value.kind = kind;
    frame.value.place = place_of(mark);
    open_.push_back(std::move(frame));
  }

  void close() {
    Value value = std::move(open_.back().value);
    open_.pop_back();
    add(std::move(value));
  }

  void add(Value value) {
    if (open_.empty()) {
      if (value.kind == Kind::null) return;
      if (documents.size() >= limits_.documents_max)
        throw Refused{value.place,
                      fmt::format("the file holds more than {} documents", limits_.documents_max)};
      documents.push_back(std::move(value));
      return;
    }
    Frame& frame = open_.back();
    if (frame.value.kind == Kind::map) {
      value.key = std::move(frame.key);
      value.key_place = frame.key_place;
      frame.key_given = false;
    }
    frame.value.items.push_back(std::move(value));
  }

  Limits limits_;
  std::vector<Frame> open_;
  std::size_t values_ = 0;
  int last_text_ = -1;  // offset of the last scalar
  Place last_place_;
};

// What the parser's own words usually mean to the one who wrote the file.
std::string_view hint_of(std::string_view message) {
  if (message.find("illegal map value") != std::string_view::npos)
    return "; a text that holds \": \" needs quotes, and a field needs a line of its own";
  if (message.starts_with("end of "))
    return "; the indentation of this line fits no line above, or a closing } or ] or quote is "
           "missing";
  if (message.find("scalar") != std::string_view::npos) return "; a closing quote may be missing";
  return "; a text with special characters needs quotes";
}

Error error_at(std::string_view file_name, Place place, std::string_view text) {
  return {Errc::invalid,
          fmt::format("{}:{}:{}: {}", printable(file_name, 200), place.line, place.column, text)};
}

// The first byte that no text file of ours may hold, or npos.
std::size_t find_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0x7F || (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r')) return i;
  }
  return std::string_view::npos;
}

Place place_at(std::string_view text, std::size_t offset) {
  Place place;
  for (std::size_t i = 0; i < offset; ++i) {
    ++place.column;
    if (text[i] == '\n') ++place.line, place.column = 1;
  }
  return place;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The number of "\uXXXX" at text[at], or -1.
int unicode_escape(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int value = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    if (hex_value(text[i]) < 0) return -1;
    value = value * 16 + hex_value(text[i]);
  }
  return value;
}

bool looks_like_json(std::string_view text) {
  const std::string_view body = trim(text);
  return !body.empty() && (body.front() == '{' || body.front() == '[');
}

// JSON writes characters beyond 16 bits as two escapes, which YAML does not know. Tabs between
// JSON tokens become spaces for the same reason; inside a JSON text there is none.
std::string json_as_yaml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\t') {
      out += ' ';
      continue;
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const int high = unicode_escape(text, i);
    const int low = unicode_escape(text, i + 6);
    if (high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
      out += fmt::format("\\U{:08X}", 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
      i += 11;
    } else {
      out += text[i];
      out += text[++i];
    }
  }
  return out;
}

// Whether the indentation of a line (from 1) holds a tab.
bool indented_by_tab(std::string_view text, std::uint32_t line) {
  const auto lines = split(text, '\n');
  if (line == 0 || line > lines.size()) return false;
  const std::string_view wanted = lines[line - 1];
  return wanted.substr(0, wanted.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

Result<std::vector<Value>> parse(const std::string& text, std::string_view file_name,
                                 const Limits& limits) {
  TreeBuilder builder(limits);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    if (const auto place = builder.open_quote(text))
      return error_at(file_name, *place, open_quote_text);
  } catch (const Refused& refused) {
    return error_at(file_name, refused.place, refused.text);
  } catch (const YAML::DeepRecursion& error) {
    return error_at(file_name, place_of(error.mark),
                    fmt::format("nested deeper than {} levels", limits.depth_max));
  } catch (const YAML::Exception& error) {
    if (const auto place = builder.open_quote(text))
      return error_at(file_name, *place, open_quote_text);
    if (error.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR)
      return error_at(file_name, place_of(error.mark), alias_text);
    const Place place = place_of(error.mark);
    if (indented_by_tab(text, place.line))
      return error_at(file_name, place, "this line is indented by a tab; indent with spaces");
    return error_at(file_name, place,
                    fmt::format("not valid YAML: {}{}", printable(error.msg), hint_of(error.msg)));
  } catch (const std::exception& error) {
    return error_at(file_name, {}, fmt::format("not valid YAML: {}", printable(error.what())));
  }
  return std::move(builder.documents);
}

}  // namespace

const Value* Value::find(std::string_view name) const {
  if (kind != Kind::map) return nullptr;
  for (const Value& item : items)
    if (item.key == name) return &item;
  return nullptr;
}

std::string_view kind_words(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::text:
      return "a text";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
  }
  return "something";
}

Result<std::vector<Value>> read_documents(std::string_view text, std::string_view file_name,
                                          const Limits& limits) {
  if (text.size() > limits.size_bytes_max)
    return Error{Errc::invalid,
                 fmt::format("{}: {} bytes are too many; at most {} are read",
                             printable(file_name, 200), text.size(), limits.size_bytes_max)};
  if (const std::size_t at = find_control(text); at != std::string_view::npos)
    return error_at(file_name, place_at(text, at),
                    fmt::format("the control character 0x{:02X} cannot stand in a text file",
                                static_cast<unsigned char>(text[at])));
  if (!is_utf8(text)) {
    // The longest good prefix ends where the bad byte stands.
    std::size_t good = 0, bad = text.size();
    while (good + 1 < bad) {
      std::size_t middle = good + (bad - good) / 2;
      while (middle > good && (static_cast<unsigned char>(text[middle]) & 0xC0) == 0x80) --middle;
      if (middle == good) break;
      (is_utf8(text.substr(0, middle)) ? good : bad) = middle;
    }
    return error_at(file_name, place_at(text, good),
                    "this line is not UTF-8; save the file as UTF-8");
  }
  return parse(looks_like_json(text) ? json_as_yaml(text) : std::string(text), file_name, limits);
}

}  // namespace busbar::jobfile::yaml
