#include <unistd.h>

#include <CLI/CLI.hpp>
#include <busbar_build.hpp>
#include <cctype>
#include <functional>
#include <ostream>

#include "base/text.hpp"
#include "lab/journal_tool.hpp"
#include "lab/sim_tool.hpp"

namespace busbar::lab {
namespace {

// What is wrong with the command line, and where to look.
std::string usage_sentence(const CLI::App& app, const CLI::Error& error) {
  const auto groups = app.get_subcommands();
  if (groups.empty()) return "busbar: busbar-lab needs `journal` or `sim` after it\n";
  const CLI::App& group = *groups.front();
  const auto chosen = group.get_subcommands();
  if (!chosen.empty()) {
    const std::string name = group.get_name() + " " + chosen.front()->get_name();
    std::string text = error.what();
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0)
      text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return "busbar: " + name + ": " + printable(text, 300) + "; `busbar " + name +
           " --help` shows how\n";
  }
  std::string names;
  for (const auto* command : group.get_subcommands({}))
    names += (names.empty() ? "" : ", ") + command->get_name();
  return "busbar: `busbar " + group.get_name() + "` needs one of these after it: " + names + "\n";
}

// Options of the journal's commands, as they were given.
struct JournalOrder {
  std::string folder, file;
  std::uint64_t from = 0, to = 0, job = 0;
};

using Action = std::function<int(std::ostream&, std::ostream&)>;

void add_journal(CLI::App& app, JournalOrder& order, Action& action) {
  CLI::App* journal = app.add_subcommand("journal", "Look into a journal; a daemon may be running");
  journal->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, Action act) {
    CLI::App* command = journal->add_subcommand(name, help);
    command->callback([&action, act = std::move(act)] { action = act; });
    return command;
  };
  const auto take_folder = [&](CLI::App* command) {
    command->add_option("STATE_DIR", order.folder, "the daemon's state folder")->required();
  };
  CLI::App* exporting =
      add("export", "Print events as JSON lines", [&](std::ostream& out, std::ostream& trouble) {
        ExportRange range{Revision(order.from), Revision(order.to), std::nullopt};
        if (order.job != 0) range.job = JobId(order.job);
        return export_journal(order.folder, range, out, trouble);
      });
  exporting->add_option("--from", order.from, "first revision");
  exporting->add_option("--to", order.to, "last revision");
  exporting->add_option("--job", order.job, "only events of this job")->check(CLI::PositiveNumber);
  take_folder(exporting);
  take_folder(add("verify",
                  "Check every event and snapshot, and that replaying equals the snapshots",
                  [&](std::ostream& out, std::ostream& trouble) {
                    return verify_journal(order.folder, out, trouble);
                  }));
  CLI::App* replaying = add("replay", "Fold the events into the state",
                            [&](std::ostream& out, std::ostream& trouble) {
                              return replay_journal(order.folder, Revision(order.to), out, trouble);
                            });
  replaying->add_option("--to", order.to, "last revision");
  take_folder(replaying);
  CLI::App* saving = add("backup", "Copy the journal into one file",
                         [&](std::ostream& out, std::ostream& trouble) {
                           return backup_journal(order.folder, order.file, out, trouble);
                         });
  take_folder(saving);
  saving->add_option("FILE", order.file, "must not exist")->required();
}

void add_sim(CLI::App& app, SimulationOrder& order, Action& action) {
  CLI::App* sim = app.add_subcommand("sim", "Play a workload through the production scheduler");
  sim->require_subcommand(1);
  CLI::App* run = sim->add_subcommand("run", "Play one workload on one cluster under one policy");
  run->callback([&] {
    action = [&](std::ostream& out, std::ostream& trouble) {
      order.progress = isatty(STDERR_FILENO) == 1;
      return run_simulation(order, out, trouble);
    };
  });
  run->add_option("--cluster", order.cluster, "YAML file: the machines")->required();
  run->add_option("--workload", order.workload, "file: who asks for what, and when")->required();
  run->add_option("--policy", order.policy, "YAML file, in the words of busbard's configuration");
  run->add_option("--format", order.format,
                  "of the workload: jsonl, swf, sacct, openb; else its name or heading says it");
  run->add_option(
      "--mode", order.mode,
      "replay (default), or fill: jobs come at random and stay, until the cluster is full");
  run->add_option("--seeds", order.seeds, "one, or a range such as 1-10");
  run->add_option("--until", order.until, "stop so long after the beginning, such as 30d");
  run->add_option("--jobs", order.jobs, "only the first so many")->check(CLI::PositiveNumber);
  run->add_option("--out", order.out, "folder for the results")->required();
  run->add_flag("--json", order.json, "print summaries as lines of JSON");
}

void add_generate(CLI::App& app, GenerateOrder& order, Action& action) {
  CLI::App* generate = app.get_subcommand("sim")->add_subcommand(
      "generate", "Write a workload from a model, as a trace, to standard output");
  generate->callback([&] {
    action = [&](std::ostream& out, std::ostream& trouble) {
      return generate_workload(order, out, trouble);
    };
  });
  generate->add_option("MODEL", order.model, "lublin (parallel batch jobs) or ai (accelerators)")
      ->required();
  generate->add_option("--jobs", order.jobs, "how many; 1000 if not said")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000'000}));
  generate->add_option("--seed", order.seed, "1 if not said");
  generate->add_option("--load", order.load, "of what the machine offers, such as 0.8")
      ->check(CLI::Range(0.01, 10.0));
  generate->add_option("--cores", order.cores, "lublin: of the machine; 128 if not said")
      ->check(CLI::Range(8U, 10'000'000U));
  generate->add_option("--devices", order.devices, "ai: of the cluster; 64 if not said")
      ->check(CLI::Range(2U, 10'000'000U));
  generate->add_option("--devices-per-node", order.devices_per_node, "ai: 8 if not said")
      ->check(CLI::Range(1U, 1024U));
  generate->add_option("--cores-per-device", order.cores_per_device, "ai: 8 if not said")
      ->check(CLI::Range(1U, 1024U));
}

struct CompareOrder {
  std::vector<std::string> folders;
  bool json = false;
};

void add_compare(CLI::App& app, CompareOrder& order, Action& action) {
  CLI::App* compare = app.get_subcommand("sim")->add_subcommand(
      "compare", "Put runs side by side: figures with intervals, and curves");
  compare->callback([&] {
    action = [&](std::ostream& out, std::ostream& trouble) {
      return compare_runs(order.folders, order.json, out, trouble);
    };
  });
  compare->add_option("DIR", order.folders, "folders of `sim run --out`, the first to compare with")
      ->required();
  compare->add_flag("--json", order.json, "print one JSON object");
}

}  // namespace

int run_lab(int count, const char* const* words, std::ostream& out, std::ostream& trouble) {
  CLI::App app("Offline tools of Busbar: journals and simulations.", "busbar-lab");
  app.set_version_flag("--version", std::string(build_version) + " (" + build_id + ")");
  app.require_subcommand(1);
  JournalOrder journal;
  SimulationOrder simulation;
  Action action;
  add_journal(app, journal, action);
  add_sim(app, simulation, action);
  GenerateOrder generation;
  add_generate(app, generation, action);
  CompareOrder comparison;
  add_compare(app, comparison, action);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, out, trouble);
    trouble << usage_sentence(app, error);
    return exit_usage;
  }
  return action(out, trouble);
}

}  // namespace busbar::lab
