#include "cli/commands.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>

#include "busbar_build.hpp"
#include "cli/cluster.hpp"
#include "cli/completion.hpp"
#include "cli/daemon_control.hpp"
#include "cli/interactive.hpp"
#include "cli/jobs.hpp"
#include "cli/top.hpp"
#include "cli/usage.hpp"

namespace busbar::cli {
namespace {

using Action = std::function<int(const Context&)>;

// The whole tree and what the options were filled into.
struct Tree {
  CLI::App app{"One entry for every kind of computing job.", "busbar"};
  Action action;
  bool json = false, quiet = false, no_color = false;
  Endpoint endpoint;

  // Filled by the chosen command.
  JobOptions job;
  ListOptions list;
  HistoryOptions history;
  LogOptions log;
  UpdateOptions update;
  UpOptions up;
  ReservationOptions reservation;
  AdoptOptions adopt;
  ProgressOptions progress;
  TokenOptions token;
  std::vector<std::string> references, files, command;
  std::string reference, reason, state, name, until = "ended", shell, only_job;
  double timeout_seconds = -1;
  bool wait = false, follow = false, once = false, yes = false, pty = false;

  const char* group = "";  // of the commands being added, for --help
};

CLI::App* add(Tree& tree, const std::string& name, const std::string& help, Action action) {
  CLI::App* command = tree.app.add_subcommand(name, help)->group(tree.group);
  command->callback([&tree, action] { tree.action = action; });
  return command;
}

void add_job_options(CLI::App* command, JobOptions& job) {
  command->add_option("--name", job.name, "Name of the job");
  command->add_option("--cores", job.cores, "Cores per task, such as 4 or 0.5");
  command->add_option("--memory", job.memory, "Memory per task, such as 16G");
  command->add_option("--gpus", job.gpus, "Devices per task, such as 2 or H100:2");
  command->add_option("--time", job.time, "Time limit, such as 2h30m");
  command->add_option("--array", job.array, "Array indices, such as 1-100%10");
  command->add_option("--tasks", job.tasks, "Number of tasks, or 4..16");
  command->add_option("--coupling", job.coupling, "loose, tight or extreme");
  command->add_option("--launcher", job.launcher, "script, tasks or mpi");
  command->add_option("--tenant", job.tenant, "Tenant to charge");
  command->add_option("--priority", job.priority, "Priority band");
  command->add_option("--after", job.after, "Start after these jobs, such as 12 or 12:any")
      ->allow_extra_args(false)
      ->delimiter(',');
  command->add_option("--begin", job.begin, "Not before, such as +10m or 2026-12-01T08:00:00Z");
  command->add_option("--env", job.environment, "NAME=value, or NAME to hand on")
      ->allow_extra_args(false);
  command->add_option("--output", job.output, "Output file pattern; %j job, %a array index");
  command->add_option("--directory", job.directory, "Working directory");
  command->add_flag("--exclusive", job.exclusive, "Whole nodes");
  command->add_flag("--hold", job.hold, "Submit held");
}

int run_command(const Context& context, const std::vector<std::string>& command,
                const JobOptions& options, bool in_terminal) {
  if (command.empty()) return context.misuse("say what to run, such as `busbar run -- hostname`");
  return in_terminal ? run_in_terminal(context, command, options) : run(context, command, options);
}

void add_submitting(Tree& t) {
  t.group = "Jobs";
  CLI::App* submit = add(t, "submit", "Submit job files, or scripts that begin with #!",
                         [&t](const Context& c) { return cli::submit(c, t.files, t.job, t.wait); });
  submit->add_option("file", t.files, "Job files; - reads standard input")->required();
  submit->add_flag("--wait", t.wait, "Wait for the jobs' ends and exit with the highest code");
  add_job_options(submit, t.job);
  CLI::App* run = add(t, "run", "Run a command as a job and follow it",
                      [&t](const Context& c) { return run_command(c, t.command, t.job, t.pty); });
  run->add_flag("--pty", t.pty, "In this terminal, such as an interactive shell");
  add_job_options(run, t.job);
  run->footer("The command and its arguments follow: busbar run --cores 2 -- make -j2");
  CLI::App* plan = add(t, "plan", "Say where and when a job file would start, without submitting",
                       [&t](const Context& c) { return cli::plan(c, t.reference); });
  plan->add_option("file", t.reference, "Job file; - reads standard input")->required();
}

void add_listing(Tree& t) {
  CLI::App* ps = add(t, "ps", "List jobs", [&t](const Context& c) { return cli::ps(c, t.list); });
  ps->add_flag("-a,--all", t.list.all, "Finished ones too");
  ps->add_flag("--mine", t.list.mine, "Only mine");
  ps->add_option("--state", t.list.state, "Only these states, such as PENDING,RUNNING");
  ps->add_option("--user", t.list.user, "Only this user's");
  ps->add_option("--tenant", t.list.tenant, "Only this tenant's");
  ps->add_option("--name", t.list.name, "Only this name; * matches anything");
  ps->add_option("--label", t.list.label, "Only with this label, key or key=value");
  ps->add_option("--limit", t.list.limit, "At most so many")->check(CLI::Range(1, 1000));
  CLI::App* show = add(t, "show", "Show a job or a unit",
                       [&t](const Context& c) { return cli::show(c, t.reference); });
  show->add_option("job", t.reference, "17, 17_4, a name, or last")->required();
  CLI::App* history = add(t, "history", "List finished attempts",
                          [&t](const Context& c) { return cli::history(c, t.history); });
  history->add_flag("--jobs", t.history.by_job, "One line a job: waited, ran, and used in all");
  history->add_option("--job", t.history.job, "Only this job's: 17, a name, or last");
  history->add_option("--user", t.history.user, "Only this user's");
  history->add_option("--tenant", t.history.tenant, "Only this tenant's");
  history->add_option("--state", t.history.state, "Only this end, such as FAILED");
  history->add_option("--from", t.history.from, "Ended at or after this moment");
  history->add_option("--to", t.history.to, "Ended before this moment");
  history->add_option("--limit", t.history.limit, "At most so many")->check(CLI::Range(1, 1000));
  CLI::App* explain = add(t, "explain", "Say why a job waits and when it will start",
                          [&t](const Context& c) { return cli::explain(c, t.reference); });
  explain->add_option("job", t.reference, "17, a name, or last")->required();
}

void add_following(Tree& t) {
  CLI::App* logs = add(t, "logs", "Print the output of a job or unit",
                       [&t](const Context& c) { return cli::logs(c, t.reference, t.log); });
  logs->add_option("job", t.reference, "17, 17_4, a name, or last")->required();
  logs->add_flag("-f,--follow", t.log.follow, "Go on until it ends");
  logs->add_option("--rank", t.log.rank, "A rank's number, or all");
  logs->add_flag("--stderr", t.log.error, "The error stream, where it is separate");
  logs->add_option("--tail", t.log.tail, "Only the last lines")->check(CLI::NonNegativeNumber);
  logs->add_option("--attempt", t.log.attempt, "Attempt number; the newest otherwise");
  CLI::App* attach = add(t, "attach", "Follow a running job and exit with its code",
                         [&t](const Context& c) { return cli::attach(c, t.reference); });
  attach->add_option("job", t.reference, "17, a name, or last")->required();
  CLI::App* wait = add(
      t, "wait", "Wait for jobs and exit with the highest code",
      [&t](const Context& c) { return cli::wait(c, t.references, t.until, t.timeout_seconds); });
  wait->add_option("job", t.references, "Jobs")->required();
  wait->add_option("--until", t.until, "ended, ready or running")
      ->check(CLI::IsMember({"ended", "ready", "running"}));
  wait->add_option("--timeout", t.timeout_seconds, "Give up after so many seconds");
}

void add_changing(Tree& t) {
  const std::pair<const char*, const char*> verbs[] = {
      {"cancel", "Cancel jobs or units"},
      {"hold", "Keep waiting jobs or units from starting"},
      {"release", "Let held jobs or units start again"},
      {"requeue", "Stop and queue again, or run finished ones again"}};
  for (const auto& [verb, help] : verbs) {
    CLI::App* command = add(t, verb, help, [&t, verb = std::string(verb)](const Context& c) {
      return change(c, verb, t.references, t.reason);
    });
    command->add_option("job", t.references, "17, 17_4, 17_[1-5], a name, or last")->required();
    if (std::string_view(verb) == "cancel")
      command->add_option("--reason", t.reason, "Recorded with it");
  }
  CLI::App* update = add(t, "update", "Change a job",
                         [&t](const Context& c) { return cli::update(c, t.reference, t.update); });
  update->add_option("job", t.reference, "17, a name, or last")->required();
  update->add_option("--name", t.update.name, "New name");
  update->add_option("--priority", t.update.priority, "New priority band");
  update->add_option("--time", t.update.time, "New time limit");
  update->add_option("--begin", t.update.begin, "Not before");
  update->add_option("--deadline", t.update.deadline, "To be ended by");
  update->add_option("--parallel", t.update.parallel, "Units at once; 0: no limit");
}

void add_progress(Tree& t) {
  CLI::App* progress = add(t, "progress", "Say from inside a job how far it is",
                           [&t](const Context& c) { return cli::progress(c, t.progress); });
  progress->add_option("done", t.progress.done, "Work done, in units of your own")->required();
  progress->add_option("--total", t.progress.total, "All there is to do");
  progress->add_option("--rate", t.progress.rate_per_hour, "Units in an hour; found otherwise");
}

void add_nodes(Tree& t) {
  t.group = "Nodes and tenants";
  CLI::App* list = add(t, "nodes", "List nodes, or show one",
                       [&t](const Context& c) { return nodes(c, t.name); });
  list->add_option("node", t.name, "Node");
  const std::pair<const char*, const char*> verbs[] = {{"drain", "Start nothing more on a node"},
                                                       {"resume", "Use a drained node again"}};
  for (const auto& [verb, help] : verbs) {
    CLI::App* command = add(t, verb, help, [&t, verb = std::string(verb)](const Context& c) {
      return change_node(c, verb, t.name, t.reason);
    });
    command->add_option("node", t.name, "Node")->required();
    if (std::string_view(verb) == "drain") command->add_option("--reason", t.reason, "Why");
  }
  CLI::App* node = t.app.add_subcommand("node", "Act on one node")->group(t.group);
  node->require_subcommand(1);
  CLI::App* fence = node->add_subcommand(
      "fence", "Vouch that nothing of ours runs there any more: its attempts end NODE_FAIL");
  fence->add_option("node", t.name, "Node")->required();
  fence->add_option("--reason", t.reason, "Why");
  fence->add_flag("--yes", t.yes, "You have made sure");
  fence->callback([&t] {
    t.action = [&t](const Context& c) {
      if (t.yes) return change_node(c, "fence", t.name, t.reason);
      return c.misuse(
          "fencing lets jobs of this node start elsewhere. Make sure that the machine is off or "
          "its jobs are gone, then say --yes");
    };
  });
  CLI::App* adopt = add(t, "adopt", "Go on from a journal that is older than what runs",
                        [&t](const Context& c) { return cli::adopt(c, t.adopt); });
  adopt->add_option("cluster", t.adopt.cluster, "Cluster; every one when left out");
  adopt->add_flag("--keep", t.adopt.keep, "Let what is left over end by itself");
  adopt->add_flag("--dry-run", t.adopt.dry_run, "Only list what was found");
  CLI::App* top =
      add(t, "top", "A live view", [&t](const Context& c) { return cli::top(c, t.once); });
  top->add_flag("--once", t.once, "One frame and no more");
  add(t, "tenants", "List tenants, their shares and quotas", tenants);
}

void add_reservations(Tree& t) {
  CLI::App* group = t.app.add_subcommand("reservation", "Maintenance reservations")->group(t.group);
  group->require_subcommand(1);
  CLI::App* make = group->add_subcommand("make", "Keep nodes free of jobs for a while");
  make->add_option("name", t.reservation.name, "Name")->required();
  make->add_option("--nodes", t.reservation.nodes, "Nodes; all when left out")
      ->allow_extra_args(false)
      ->delimiter(',');
  make->add_option("--start", t.reservation.start, "From, such as +1h or a moment")->required();
  make->add_option("--end", t.reservation.end, "Until this moment");
  make->add_option("--duration", t.reservation.duration, "Or for so long");
  make->callback(
      [&t] { t.action = [&t](const Context& c) { return make_reservation(c, t.reservation); }; });
  CLI::App* end = group->add_subcommand("end", "End a reservation");
  end->add_option("name", t.name, "Name")->required();
  end->callback([&t] { t.action = [&t](const Context& c) { return end_reservation(c, t.name); }; });
  group->add_subcommand("list", "List reservations")->callback([&t] { t.action = reservations; });
}

void add_tokens(Tree& t) {
  CLI::App* group = t.app.add_subcommand("token", "Tokens for use over TCP")->group(t.group);
  group->require_subcommand(1);
  CLI::App* create = group->add_subcommand("create", "Make a token and print it once");
  create->add_option("--user", t.token.user, "For this user; operators only");
  create->add_option("--expires", t.token.expires, "After so long, such as 30d, or never; 90d");
  create->add_flag("--read-only", t.token.read_only, "It may look and change nothing");
  create->add_option("--file", t.token.file, "Write it to this new file instead, mode 0600");
  create->callback(
      [&t] { t.action = [&t](const Context& c) { return token_create(c, t.token); }; });
  group->add_subcommand("list", "List tokens")->callback([&t] { t.action = token_list; });
  CLI::App* revoke = group->add_subcommand("revoke", "Make a token worthless");
  revoke->add_option("token", t.token.id, "Its id, as the list shows it")->required();
  revoke->callback(
      [&t] { t.action = [&t](const Context& c) { return token_revoke(c, t.token.id); }; });
}

void add_daemon(Tree& t) {
  t.group = "The daemon";
  CLI::App* up = add(t, "up", "Start the daemon of this machine",
                     [&t](const Context& c) { return cli::up(c, t.up); });
  up->add_option("--config", t.up.config, "Configuration file");
  up->add_option("--state", t.up.state, "State folder");
  up->add_option("--simulate", t.up.simulate, "Simulated devices, such as 8:H100")
      ->allow_extra_args(false);
  up->add_flag("--foreground", t.up.foreground, "Stay in the foreground");
  CLI::App* down = add(t, "down", "Stop the daemon; jobs go on",
                       [&t](const Context& c) { return cli::down(c, t.state); });
  down->add_option("--state", t.state, "State folder");
  add(t, "status", "Say how the daemon is", status);
  CLI::App* config = t.app.add_subcommand("config", "The daemon's configuration")->group(t.group);
  config->require_subcommand(1);
  config->add_subcommand("show", "Print what is in force")->callback([&t] {
    t.action = config_show;
  });
  config->add_subcommand("reload", "Read the file again")->callback([&t] {
    t.action = config_reload;
  });
  CLI::App* clock = config->add_subcommand("clock", "Answer for time that the clock withholds");
  clock->require_subcommand(1);
  const std::pair<const char*, const char*> answers[] = {
      {"accept", "It went by: what fell due in it expires"},
      {"ignore", "It does not count: what fell due in it comes that much later"}};
  for (const auto& [answer, help] : answers)
    clock->add_subcommand(answer, help)->callback([&t, answer = std::string(answer)] {
      t.action = [answer](const Context& c) { return config_clock(c, answer); };
    });
  CLI::App* events = add(t, "events", "Print what happens",
                         [&t](const Context& c) { return cli::events(c, t.follow, t.only_job); });
  events->add_flag("-f,--follow", t.follow, "Only from now on");
  events->add_option("--job", t.only_job, "Only this job's: 17, a name, or last");
  // Their arguments, --help too, are busbar-lab's.
  const std::pair<const char*, const char*> offline[] = {
      {"journal", "Offline tools on a journal: export, verify, replay, backup"},
      {"sim", "Play a workload through the production scheduler"}};
  for (const auto& [name, help] : offline)
    add(t, name, help, [&t, name = std::string(name)](const Context& c) {
      std::vector<std::string> words = {name};
      words.insert(words.end(), t.command.begin(), t.command.end());
      return become(c, "busbar-lab", words);
    });
  CLI::App* completion = add(t, "completion", "Print a completion script", [&t](const Context& c) {
    c.out(completion_script(t.shell, describe_commands(t.app)));
    return 0;
  });
  completion->add_option("shell", t.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

void add_globals(Tree& t) {
  t.app.add_flag("--json", t.json, "The API's JSON");
  t.app.add_flag("-q,--quiet", t.quiet, "Ids alone, one a line");
  t.app.add_flag("--no-color", t.no_color, "Never colours");
  t.app.add_option("--socket", t.endpoint.socket, "The daemon's Unix socket")
      ->envname("BUSBAR_SOCKET");
  t.app.add_option("--url", t.endpoint.url, "Or its address, such as http://127.0.0.1:7433")
      ->envname("BUSBAR_URL");
  t.app.add_option("--token-file", t.endpoint.token_file, "File with the token for --url")
      ->envname("BUSBAR_TOKEN_FILE");
  t.app.add_option("--ca-file", t.endpoint.ca_file, "Certificates to trust for --url https://...")
      ->envname("BUSBAR_CA_FILE");
  t.app.fallthrough();
  t.app.require_subcommand(1);
  const std::string version = fmt::format("busbar {} ({})", build_version, build_id);
  t.app.set_version_flag("--version", version);
  t.app.footer("`busbar COMMAND --help` shows a command's options; docs/cli.md has examples.");
}

// usage.hpp turns these words into those of --help before they are read.
void add_help(Tree& t) {
  CLI::App* help =
      add(t, "help", "Show what a command does and its options", [](const Context&) { return 0; });
  help->add_option("command", t.references, "Command");
}

void add_version(Tree& t) {
  add(t, "version", "Print the version", [](const Context& c) {
    if (c.json)
      c.out(
          Json{{"version", std::string(build_version)}, {"build", std::string(build_id)}}.dump(2) +
          "\n");
    else
      c.out(fmt::format("busbar {} ({})\n", build_version, build_id));
    return 0;
  });
}

std::unique_ptr<Tree> make_tree() {
  auto tree = std::make_unique<Tree>();
  add_globals(*tree);
  add_submitting(*tree);
  add_listing(*tree);
  add_following(*tree);
  add_changing(*tree);
  add_progress(*tree);
  add_nodes(*tree);
  add_reservations(*tree);
  add_daemon(*tree);
  add_tokens(*tree);
  add_help(*tree);
  add_version(*tree);
  return tree;
}

}  // namespace

int main_of(int count, char** words) {
  signal(SIGPIPE, SIG_DFL);
  const auto tree = make_tree();
  const std::vector<std::string> given(words + 1, words + std::max(count, 1));
  const Line line = split_line(tree->app, asking_help(tree->app, given));
  tree->command = line.verbatim;
  if (const std::string wrong = not_text(given); !wrong.empty() && !line.offline) {
    Client nobody(tree->endpoint);
    return Context{nobody, Screen::detect(true), false, false}.misuse(wrong);
  }
  try {
    // CLI11 takes words from the end.
    tree->app.parse(std::vector<std::string>(line.parsed.rbegin(), line.parsed.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return tree->app.exit(error);
    Client nobody(tree->endpoint);
    const bool json = tree->json || std::find(given.begin(), given.end(), "--json") != given.end();
    const Context context{nobody, Screen::detect(true), json, tree->quiet};
    return context.misuse(usage_sentence(tree->app, line.parsed, error));
  }
  if (tree->endpoint.socket.empty()) tree->endpoint.socket = find_socket();
  Client client(tree->endpoint);
  const Context context{client, Screen::detect(tree->no_color), tree->json, tree->quiet};
  return tree->action ? tree->action(context) : exit_usage;
}

std::vector<CommandWords> all_commands() { return describe_commands(make_tree()->app); }

Line split_for_tests(const std::vector<std::string>& words) {
  return split_line(make_tree()->app, words);
}

}  // namespace busbar::cli
