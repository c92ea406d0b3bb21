#include "cli/usage.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.hpp"

namespace busbar::cli {
namespace {

bool is_option(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

const CLI::Option* option_of(const CLI::App& app, std::string_view word) {
  return app.get_option_no_throw(std::string(word.substr(0, word.find('='))));
}

// Whether the word after this option is its value.
bool takes_next(const CLI::App& app, const CLI::App* command, std::string_view word) {
  const CLI::Option* option = command == nullptr ? nullptr : option_of(*command, word);
  if (option == nullptr) option = option_of(app, word);
  return option != nullptr && option->get_items_expected_max() > 0 &&
         word.find('=') == std::string_view::npos;
}

// The first word from `at` on that is neither an option nor an option's value.
std::size_t next_plain(const CLI::App& app, const CLI::App* command,
                       const std::vector<std::string>& words, std::size_t at) {
  while (at < words.size() && is_option(words[at]) && words[at] != "--")
    at += takes_next(app, command, words[at]) ? 2 : 1;
  return std::min(at, words.size());
}

const CLI::App* command_named(const CLI::App& app, const std::string& name) {
  for (const auto* command : app.get_subcommands({}))
    if (command->get_name() == name) return command;
  return nullptr;
}

std::vector<std::string> names_under(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* command : app.get_subcommands({})) out.push_back(command->get_name());
  return out;
}

// "; did you mean NAME?", or ";" where no name is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(word, views);
  return near.empty() ? ";" : fmt::format("; did you mean {}?", near);
}

std::vector<std::string> options_of(const CLI::App& app, const CLI::App& command) {
  std::vector<std::string> out;
  for (const auto* from : {&command, &app})
    for (const auto* option : from->get_options())
      for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

// The option that neither the command nor the program has; "" where all are known.
std::string unknown_option(const CLI::App& app, const CLI::App& command,
                           const std::vector<std::string>& words) {
  for (const auto& word : words) {
    if (word == "--") break;
    if (!is_option(word)) continue;
    if (option_of(command, word) == nullptr && option_of(app, word) == nullptr)
      return word.substr(0, word.find('='));
  }
  return "";
}

std::string sentence_of(std::string text) {
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return printable(text, 400);
}

}  // namespace

bool is_offline(std::string_view command) { return command == "journal" || command == "sim"; }

Line split_line(const CLI::App& app, const std::vector<std::string>& words) {
  const std::size_t at = next_plain(app, nullptr, words, 0);
  if (at == words.size() || (words[at] != "run" && !is_offline(words[at]))) return {words, {}};
  const CLI::App* command = command_named(app, words[at]);
  std::size_t end = words[at] == "run" ? next_plain(app, command, words, at + 1) : at + 1;
  Line out;
  out.offline = is_offline(words[at]);
  out.parsed.assign(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(end));
  if (end < words.size() && words[end] == "--") ++end;
  out.verbatim.assign(words.begin() + static_cast<std::ptrdiff_t>(end), words.end());
  return out;
}

std::string not_text(const std::vector<std::string>& words) {
  for (const auto& word : words)
    if (!is_utf8(word))
      return fmt::format(
          "\"{}\" is not UTF-8 text, and jobs, names and reasons are kept as text; "
          "rename the file, or put the command into a script of its own",
          printable(word));
  return {};
}

std::vector<std::string> asking_help(const CLI::App& app, std::vector<std::string> words) {
  const std::size_t at = next_plain(app, nullptr, words, 0);
  if (at == words.size() || words[at] != "help") return words;
  words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
  const std::size_t next = next_plain(app, nullptr, words, at);
  if (next == words.size() || command_named(app, words[next]) != nullptr)
    words.emplace_back("--help");
  return words;
}

std::string usage_sentence(const CLI::App& app, const std::vector<std::string>& words,
                           const CLI::Error& error) {
  const std::size_t at = next_plain(app, nullptr, words, 0);
  const CLI::App* command = at < words.size() ? command_named(app, words[at]) : nullptr;
  if (command == nullptr) {
    const std::string unknown = unknown_option(app, app, words);
    if (!unknown.empty())
      return fmt::format("there is no option {}{} `busbar --help` lists the options",
                         printable(unknown), did_you_mean(unknown, options_of(app, app)));
    if (at == words.size()) return "say what to do; `busbar --help` lists the commands";
    return fmt::format("there is no command {}{} `busbar --help` lists the commands",
                       printable(words[at]), did_you_mean(words[at], names_under(app)));
  }
  std::string name = command->get_name();
  const auto nested = names_under(*command);
  if (!nested.empty()) {
    const std::size_t below = next_plain(app, command, words, at + 1);
    const CLI::App* inner = below < words.size() ? command_named(*command, words[below]) : nullptr;
    if (inner == nullptr)
      return fmt::format("`busbar {}` needs one of these after it: {}", name,
                         fmt::join(nested, ", "));
    command = inner;
    name += " " + inner->get_name();
  }
  const std::string unknown = unknown_option(app, *command, words);
  if (!unknown.empty())
    return fmt::format("`busbar {}` has no option {}{} `busbar {} --help` shows them", name,
                       printable(unknown), did_you_mean(unknown, options_of(app, *command)), name);
  return fmt::format("{}; `busbar {} --help` shows how", sentence_of(error.what()), name);
}

}  // namespace busbar::cli
