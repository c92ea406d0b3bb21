#include <CLI/CLI.hpp>
#include <busbar_build.hpp>
#include <cctype>
#include <ostream>

#include "base/text.hpp"
#include "lab/journal_tool.hpp"

namespace busbar::lab {
namespace {

// What is wrong with the command line, and where to look.
std::string usage_sentence(const CLI::App& journal, const CLI::Error& error) {
  const auto chosen = journal.get_subcommands();
  if (!chosen.empty()) {
    const std::string name = chosen.front()->get_name();
    std::string text = error.what();
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0)
      text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return "busbar: journal " + name + ": " + printable(text, 300) + "; `busbar journal " + name +
           " --help` shows how\n";
  }
  std::string names;
  for (const auto* command : journal.get_subcommands({}))
    names += (names.empty() ? "" : ", ") + command->get_name();
  return "busbar: `busbar journal` needs one of these after it: " + names + "\n";
}

}  // namespace

int run_lab(int count, const char* const* words, std::ostream& out, std::ostream& trouble) {
  CLI::App app("Offline tool for Busbar's journals.", "busbar-lab");
  app.set_version_flag("--version", std::string(build_version) + " (" + build_id + ")");
  app.require_subcommand(1);
  CLI::App* journal = app.add_subcommand("journal", "Look into a journal; a daemon may be running");
  journal->require_subcommand(1);

  std::string folder;
  std::string file;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t job = 0;
  const auto take_folder = [&](CLI::App* command) {
    command->add_option("STATE_DIR", folder, "the daemon's state folder")->required();
  };
  CLI::App* exporting = journal->add_subcommand("export", "Print events as JSON lines");
  exporting->add_option("--from", from, "first revision");
  exporting->add_option("--to", to, "last revision");
  exporting->add_option("--job", job, "only events of this job")->check(CLI::PositiveNumber);
  take_folder(exporting);
  CLI::App* verifying = journal->add_subcommand(
      "verify", "Check every event and snapshot, and that replaying equals the snapshots");
  take_folder(verifying);
  CLI::App* replaying = journal->add_subcommand("replay", "Fold the events into the state");
  replaying->add_option("--to", to, "last revision");
  take_folder(replaying);
  CLI::App* saving = journal->add_subcommand("backup", "Copy the journal into one file");
  take_folder(saving);
  saving->add_option("FILE", file, "must not exist")->required();

  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, out, trouble);
    trouble << usage_sentence(*journal, error);
    return exit_usage;
  }
  if (exporting->parsed()) {
    ExportRange range{Revision(from), Revision(to), std::nullopt};
    if (job != 0) range.job = JobId(job);
    return export_journal(folder, range, out, trouble);
  }
  if (verifying->parsed()) return verify_journal(folder, out, trouble);
  if (replaying->parsed()) return replay_journal(folder, Revision(to), out, trouble);
  return backup_journal(folder, file, out, trouble);
}

}  // namespace busbar::lab
