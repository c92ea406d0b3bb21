#include <CLI/CLI.hpp>
#include <busbar_build.hpp>
#include <ostream>

#include "lab/journal_tool.hpp"

namespace busbar::lab {

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
  CLI::App* verifying =
      journal->add_subcommand("verify", "Check every row, and that replaying equals the snapshots");
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
    return app.exit(error, out, trouble) == 0 ? exit_fine : exit_usage;
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
