#include "cli/completion.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace busbar::cli {
namespace {

std::string shell_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

void note_options(const CLI::App& command, CommandWords& words) {
  for (const auto* option : command.get_options()) {
    const std::string name = option->get_name(true, false);
    if (option->get_positional()) {
      words.takes_job = words.takes_job || name == "job";
      words.takes_file = words.takes_file || name == "file";
      words.takes_node = words.takes_node || name == "node";
    }
    for (const auto& flag : option->get_lnames()) words.options.push_back("--" + flag);
    for (const auto& flag : option->get_snames()) words.options.push_back("-" + flag);
  }
}

// Nested commands come before the one they are in: shells take the first pattern that fits.
void describe(const CLI::App& command, const std::string& before, std::vector<CommandWords>& out) {
  for (const auto* sub : command.get_subcommands({})) {
    CommandWords words;
    words.path = before + sub->get_name();
    words.help = sub->get_description();
    note_options(*sub, words);
    describe(*sub, words.path + " ", out);
    out.push_back(std::move(words));
  }
}

std::string names_under(const std::vector<CommandWords>& commands, const std::string& before) {
  std::string out;
  for (const auto& command : commands) {
    if (command.path.empty() || !command.path.starts_with(before)) continue;
    const std::string rest = command.path.substr(before.size());
    if (rest.find(' ') == std::string::npos) out += (out.empty() ? "" : " ") + rest;
  }
  return out;
}

// Works in bash, and in zsh through bashcompinit: there `path` and `words` are taken.
constexpr std::string_view bash_head =
    "_busbar() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} given='' offered='' i\n"
    "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
    "    case ${COMP_WORDS[i]} in\n"
    "      --socket | --url | --token-file | --ca-file) ((++i)) ;;\n"
    "      -*) ;;\n"
    "      *) given+=\"${given:+ }${COMP_WORDS[i]}\" ;;\n"
    "    esac\n"
    "  done\n"
    "  case $given in\n";

std::string bash(const std::vector<CommandWords>& commands) {
  std::string out(bash_head);
  std::string own;
  for (const auto& command : commands) {
    if (command.path.empty()) {
      own = fmt::format("{}", fmt::join(command.options, " "));
      continue;
    }
    std::string more = fmt::format("{}", fmt::join(command.options, " "));
    const std::string nested = names_under(commands, command.path + " ");
    if (!nested.empty()) more += " " + nested;
    out += fmt::format("    '{0}' | '{0} '*) offered='{1}'\n", command.path, shell_quoted(more));
    if (command.takes_job) out += "      offered+=\" last $(busbar ps --quiet 2>/dev/null)\"\n";
    if (command.takes_node) out += "      offered+=\" $(busbar nodes --quiet 2>/dev/null)\"\n";
    if (command.takes_file)
      out += "      [[ $word == -* ]] || { COMPREPLY=($(compgen -f -- \"$word\")); return; }\n";
    out += "      ;;\n";
  }
  out += fmt::format("    '') offered='{}' ;;\n", names_under(commands, ""));
  out += fmt::format("  esac\n  [[ $word == -* ]] && offered+=' {}'\n", own);
  out += "  COMPREPLY=($(compgen -W \"$offered\" -- \"$word\"))\n}\n";
  return out + "complete -o bashdefault -F _busbar busbar\n";
}

std::string zsh(const std::vector<CommandWords>& commands) {
  return "# zsh completion of busbar: source <(busbar completion zsh)\n"
         "(( ${+functions[compdef]} )) || { autoload -U compinit && compinit; }\n"
         "autoload -U bashcompinit && bashcompinit\n" +
         bash(commands);
}

std::string fish(const std::vector<CommandWords>& commands) {
  std::string out = "# fish completion of busbar: busbar completion fish | source\n";
  out += "complete -c busbar -f\n";
  for (const auto& command : commands) {
    if (!command.path.empty() && command.path.find(' ') == std::string::npos) {
      out += fmt::format("complete -c busbar -n __fish_use_subcommand -a '{}' -d '{}'\n",
                         command.path, shell_quoted(command.help));
    }
    const std::string last = command.path.substr(command.path.rfind(' ') + 1);
    const std::string first = command.path.substr(0, command.path.find(' '));
    if (last != first)
      out += fmt::format("complete -c busbar -n '__fish_seen_subcommand_from {}' -a '{}' -d '{}'\n",
                         first, last, shell_quoted(command.help));
    const std::string seen =
        last.empty() ? "" : fmt::format("-n '__fish_seen_subcommand_from {}'", last);
    for (const auto& option : command.options)
      out += option.starts_with("--")
                 ? fmt::format("complete -c busbar {} -l '{}'\n", seen, option.substr(2))
                 : fmt::format("complete -c busbar {} -s '{}'\n", seen, option.substr(1));
    if (command.takes_job)
      out += fmt::format("complete -c busbar {} -a '(busbar ps --quiet 2>/dev/null)'\n", seen);
    if (command.takes_node)
      out += fmt::format("complete -c busbar {} -a '(busbar nodes --quiet 2>/dev/null)'\n", seen);
    if (command.takes_file) out += fmt::format("complete -c busbar {} -F\n", seen);
  }
  return out;
}

}  // namespace

std::vector<CommandWords> describe_commands(const CLI::App& app) {
  std::vector<CommandWords> out;
  describe(app, "", out);
  CommandWords own;
  note_options(app, own);
  out.push_back(std::move(own));
  return out;
}

std::string completion_script(const std::string& shell, const std::vector<CommandWords>& commands) {
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  return "# bash completion of busbar: source <(busbar completion bash)\n" + bash(commands);
}

}  // namespace busbar::cli
