#include "cli/interactive.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/units.hpp"
#include "host/places.hpp"
#include "pty/channel.hpp"
#include "pty/terminal.hpp"

namespace busbar::cli {
namespace {

constexpr int look_ms = 1'000;  // from one question to the daemon to the next

struct Visit {
  const Context& context;
  pty::Door& door;
  pty::Signals& signals;
  std::string id;

  Result<Json> ask(const char* timeout_seconds) const {
    return context.get("/v1/jobs/" + id + "/wait", {{"timeout", timeout_seconds}});
  }
  void cancel(const char* reason) const {
    auto answer = context.post("/v1/jobs/" + id + "/cancel", {{"reason", reason}});
    if (!answer.ok() && answer.error().code != Errc::conflict) context.fail(answer.error());
  }
  // The signal that means to end this, 0 where none has come.
  int ended_by() const {
    int number = signals.take();
    while (number == SIGWINCH) number = signals.take();
    return number;
  }
  int leave(int number) const {
    context.note(fmt::format("job {} is cancelled", id));
    cancel("its terminal was closed");
    return 128 + number;
  }
  int finish(const Json& answer, bool was_shown) const {
    const Json& job = object_at(answer, "job");
    if (text_at(job, "state") != "COMPLETED")
      context.note(
          fmt::format("job {} ended {}: {}", id, text_at(job, "state"), text_at(job, "reason")));
    if (!was_shown && text_at(job, "state") == "FAILED")
      context.note(fmt::format("its output is shown by: busbar logs {}", id));
    return exit_code_of(answer);
  }
  int lost(const Error& error) const {
    context.fail(error);
    return exit_busbar_failed;
  }

  // Until the job knocks; without a channel `code` says how it ended instead.
  std::optional<pty::Channel> await_knock(int& code) const {
    std::string said;
    while (true) {
      pollfd files[2] = {pty::polled(door.fd(), true, false),
                         pty::polled(signals.fd(), true, false)};
      const int ready = poll(files, 2, said.empty() ? look_ms / 10 : look_ms);
      if (const int number = ended_by(); number != 0) return code = leave(number), std::nullopt;
      if (files[0].revents != 0)
        if (auto channel = door.admit()) return channel;
      if (ready != 0) continue;
      auto answer = ask("0");
      if (!answer.ok()) return code = lost(answer.error()), std::nullopt;
      if (flag_at(*answer, "done")) return code = finish(*answer, false), std::nullopt;
      std::string now = text_at(object_at(*answer, "job"), "reason");
      if (now.empty() || text_at(*answer, "state") != "PENDING") now = "it starts";
      if (now != said && context.screen.interactive) context.note("waiting: " + now);
      said = now;
    }
  }

  // After the terminal has been given back. A job that waits again has lost its terminal.
  int await_end() const {
    while (true) {
      auto answer = ask("1");
      if (!answer.ok()) return lost(answer.error());
      if (flag_at(*answer, "done")) return finish(*answer, true);
      if (const int number = ended_by(); number != 0) return 128 + number;
      if (text_at(*answer, "state") == "PENDING") cancel("its terminal is gone");
    }
  }
};

}  // namespace

std::string fault_for_terminal(const JobOptions& options, const std::string& url) {
  if (!url.empty())
    return "--pty needs the daemon of this machine, by its Unix socket; leave --url and "
           "BUSBAR_URL away, or log in there first";
  if (!options.array.empty() || !options.tasks.empty() || !options.launcher.empty())
    return "--pty is for one task in one terminal; leave --array, --tasks and --launcher away";
  return "";
}

Json job_in_terminal(const std::vector<std::string>& command, const JobOptions& options,
                     const std::string& wrapper, const std::string& socket,
                     const std::string& word) {
  Json job = job_of_command(command, options);
  std::vector<std::string> words = {wrapper, socket, "--"};
  words.insert(words.end(), command.begin(), command.end());
  job["command"] = words;
  job["restart"] = "never";
  Json& environment = job["environment"];
  const char* term = std::getenv("TERM");
  if (term != nullptr && !environment.contains("TERM")) environment["TERM"] = term;
  environment[pty::word_variable] = word;
  return job;
}

int run_in_terminal(const Context& context, const std::vector<std::string>& command,
                    const JobOptions& given) {
  std::string fault = fault_for_terminal(given, context.client.endpoint().url);
  if (fault.empty() && isatty(STDIN_FILENO) == 0)
    fault = "--pty needs a terminal as standard input; without one use busbar run";
  if (!fault.empty()) return context.misuse(fault);
  const auto options = with_numbers(context, given);
  if (!options.ok()) return run_refused(context, options.error());
  const std::string wrapper = host::program_beside("busbar-pty");
  auto door = wrapper.starts_with('/')
                  ? pty::Door::open()
                  : Error{Errc::unavailable, "busbar-pty was not found beside busbar"};
  if (!door.ok()) return context.fail(door.error()), exit_busbar_failed;
  pty::Signals signals;
  auto id =
      submit_one(context, job_in_terminal(command, *options, wrapper, door->path(), door->word()));
  if (!id.ok()) return run_refused(context, id.error());
  if (context.screen.interactive)
    context.note(fmt::format("job {} submitted; Ctrl-C cancels it while it waits", *id));
  const Visit visit{context, *door, signals, *id};
  int code = 0;
  auto channel = visit.await_knock(code);
  if (!channel) return code;
  const int number = pty::relay(*channel, signals, STDIN_FILENO, STDOUT_FILENO);
  return number != 0 ? 128 + number : visit.await_end();
}

}  // namespace busbar::cli
