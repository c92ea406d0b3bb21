#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <iostream>

#include "base/text.hpp"
#include "base/units.hpp"
#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

constexpr std::size_t file_bytes_max = std::size_t{1} << 20;

std::string current_directory() {
  char path[PATH_MAX];
  return getcwd(path, sizeof path) == nullptr ? "/" : path;
}

// At most one byte more than a job file may have.
std::string read_some(std::istream& from) {
  std::string out(file_bytes_max + 1, '\0');
  from.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(from.gcount()));
  return out;
}

Result<std::string> read_file(const std::string& name) {
  std::string out;
  if (name == "-") {
    out = read_some(std::cin);
  } else {
    std::ifstream file(name, std::ios::binary);
    if (!file) return {Errc::invalid, fmt::format("{} cannot be read; is the path right?", name)};
    struct stat about {};
    if (stat(name.c_str(), &about) == 0 && S_ISDIR(about.st_mode))
      return {Errc::invalid, fmt::format("{} is a folder; name a file in it", name)};
    out = read_some(file);
  }
  if (out.size() > file_bytes_max)
    return {Errc::invalid, fmt::format("{} is longer than 1 MB; a job file has at most that. Put "
                                       "data into files of its own and name them in `run:`",
                                       name)};
  return out;
}

// A number is written as one: "4" in quotes would be text.
void put(Json& job, const char* field, const std::string& value) {
  if (value.empty()) return;
  const bool negative = value.front() == '-';
  const auto number = parse_count(std::string_view(value).substr(negative ? 1 : 0));
  if (number.ok())
    job[field] = negative ? -*number : *number;
  else
    job[field] = value;
}

void put_text(Json& job, const char* field, const std::string& value) {
  if (!value.empty()) job[field] = value;
}

void add_options(Json& job, const JobOptions& options) {
  put_text(job, "name", options.name);
  put(job, "cores", options.cores);
  put_text(job, "memory", options.memory);
  put(job, "gpus", options.gpus);
  put_text(job, "time", options.time);
  put_text(job, "array", options.array);
  put_text(job, "tenant", options.tenant);
  put(job, "tasks", options.tasks);
  put_text(job, "coupling", options.coupling);
  put_text(job, "launcher", options.launcher);
  put_text(job, "output", options.output);
  put_text(job, "begin", options.begin);
  put(job, "priority", options.priority);
  put_text(job, "directory", options.directory);
  if (!options.after.empty()) job["after"] = options.after;
  if (options.exclusive) job["exclusive"] = true;
  if (options.hold) job["hold"] = true;
  for (const auto& variable : options.environment) {
    const std::size_t equals = variable.find('=');
    const char* inherited = std::getenv(variable.c_str());
    if (equals != std::string::npos)
      job["environment"][variable.substr(0, equals)] = variable.substr(equals + 1);
    else if (inherited != nullptr)
      job["environment"][variable] = inherited;
  }
}

bool is_script(const std::string& text) { return text.starts_with("#!"); }

// The job file's text: as it is, or made from a script.
Result<std::string> body_of(const std::string& name, const std::string& text,
                            const JobOptions& options) {
  if (!is_script(text)) return text;
  if (!is_utf8(text)) return {Errc::invalid, fmt::format("{} is not UTF-8 text", name)};
  Json job = job_of_script(text, options);
  if (!job.contains("name"))
    job["name"] = name == "-" ? "script" : name.substr(name.rfind('/') + 1);
  return job.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// All the files, so that none is submitted where one cannot be read.
Result<std::vector<std::string>> read_files(const std::vector<std::string>& names) {
  std::vector<std::string> texts;
  for (const auto& name : names) {
    auto text = read_file(name);
    if (text.ok()) {
      texts.push_back(std::move(*text));
      continue;
    }
    Error error = text.error();
    if (!texts.empty() && is_script(texts.back()))
      error.text += fmt::format(
          "\nWords after a script are further files, not its arguments; with arguments it is run "
          "by: busbar run -- {}{} ...",
          names.front().find('/') == std::string::npos ? "./" : "", names.front());
    return error;
  }
  return texts;
}

struct Named {  // a job file as it is sent
  std::string file;
  std::string body;
};

// Fails with the file's name: what the cluster says against a job does not name it, unlike what
// its reader says.
int refused(const Context& context, Error error, const std::string& file) {
  const std::string name = file == "-" ? "stdin:" : file + ":";
  const bool of_job = error.code == Errc::invalid || error.code == Errc::unsatisfiable ||
                      error.code == Errc::not_found || error.code == Errc::conflict;
  if (of_job && !error.text.starts_with(name)) error.text = name + " " + error.text;
  return context.fail(error);
}

Result<Json> post_job(const Context& context, const std::string& path, const Named& job,
                      bool only_check = false) {
  const std::string file = job.file == "-" ? "stdin" : job.file;
  Query query = {{"directory", current_directory()}, {"file", file}};
  if (only_check) query.push_back({"check", "true"});
  BUSBAR_TRY(response, context.client.post(path, job.body, query, "application/yaml"));
  Json answer = Json::parse(response.body, nullptr, false);
  if (!answer.is_object()) return {Errc::corrupt, "the daemon's answer is not JSON"};
  return answer;
}

void print_submitted(const Context& context, const Json& answer) {
  if (context.json) return context.out(answer.dump(2) + "\n");
  for (const auto& warning : list_at(answer, "warnings"))
    if (warning.is_string()) context.note("warning: " + warning.get<std::string>());
  for (const auto& job : list_at(answer, "jobs")) {
    const auto id = integer_at(job, "id");
    if (context.quiet)
      context.out(fmt::format("{}\n", id));
    else
      context.out(fmt::format("submitted job {} ({})\n", id, text_at(job, "name")));
  }
}

void print_claim(const Context& context, const Json& claim) {
  std::string what = fmt::format("cores {:g}", number_at(claim, "cores"));
  if (integer_at(claim, "memory_bytes") > 0)
    what += ", memory " + short_bytes(integer_at(claim, "memory_bytes"));
  const std::string devices = device_words(list_at(claim, "devices"));
  if (!devices.empty()) what += ", " + devices;
  const auto tasks = integer_at(claim, "tasks");
  context.out(fmt::format("  {} task{} on {}: {}\n", tasks, tasks == 1 ? "" : "s",
                          text_at(claim, "node"), what));
}

}  // namespace

Json job_of_script(const std::string& script, const JobOptions& options) {
  Json job = Json::object();
  job["run"] = script;
  add_options(job, options);
  return job;
}

Json job_of_command(const std::vector<std::string>& command, const JobOptions& options) {
  Json job = Json::object();
  job["command"] = command;
  add_options(job, options);
  if (!job.contains("name") && !command.empty())
    job["name"] = command[0].substr(command[0].rfind('/') + 1);
  return job;
}

std::string options_given(const JobOptions& options) {
  const JobOptions none;
  const std::pair<const char*, bool> given[] = {{"name", options.name != none.name},
                                                {"cores", options.cores != none.cores},
                                                {"memory", options.memory != none.memory},
                                                {"gpus", options.gpus != none.gpus},
                                                {"tasks", options.tasks != none.tasks},
                                                {"array", options.array != none.array},
                                                {"time", options.time != none.time},
                                                {"begin", options.begin != none.begin},
                                                {"after", options.after != none.after},
                                                {"coupling", options.coupling != none.coupling},
                                                {"launcher", options.launcher != none.launcher},
                                                {"tenant", options.tenant != none.tenant},
                                                {"priority", options.priority != none.priority},
                                                {"env", options.environment != none.environment},
                                                {"output", options.output != none.output},
                                                {"directory", options.directory != none.directory},
                                                {"exclusive", options.exclusive != none.exclusive},
                                                {"hold", options.hold != none.hold}};
  std::string out;
  for (const auto& [name, is_given] : given) {
    const bool variables = std::string_view(name) == "env";
    if (is_given)
      out += fmt::format("{}--{} (`{}:`)", out.empty() ? "" : ", ", name,
                         variables ? "environment" : name);
  }
  return out;
}

Result<std::string> job_number(const Context& context, const std::string& reference) {
  if (parse_count(reference).ok()) return reference;
  BUSBAR_TRY(job, context.get("/v1/jobs/" + escape(reference)));
  return fmt::format("{}", integer_at(job, "id"));
}

Result<JobOptions> with_numbers(const Context& context, JobOptions options) {
  for (auto& after : options.after) {
    const std::size_t colon = std::min(after.find(':'), after.size());
    BUSBAR_TRY(number, job_number(context, after.substr(0, colon)));
    after = number + after.substr(colon);
  }
  return options;
}

int submit(const Context& context, const std::vector<std::string>& files, const JobOptions& given,
           bool wait) {
  auto texts = read_files(files);
  if (!texts.ok()) return context.fail(texts.error());
  const std::string said = options_given(given);
  for (std::size_t i = 0; i < files.size() && !said.empty(); ++i)
    if (!is_script((*texts)[i]))
      return context.misuse(fmt::format(
          "{} is a job file, and options are for scripts: write into it as fields what was said "
          "by {}",
          files[i], said));
  auto options = with_numbers(context, given);
  if (!options.ok()) return context.fail(options.error());
  std::vector<Named> jobs;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto body = body_of(files[i], (*texts)[i], *options);
    if (!body.ok()) return context.fail(body.error());
    jobs.push_back({files[i], std::move(*body)});
  }
  for (std::size_t i = 0; i < jobs.size() && jobs.size() > 1; ++i) {
    const auto checked = post_job(context, "/v1/jobs", jobs[i], true);
    if (!checked.ok()) return refused(context, checked.error(), jobs[i].file);
  }
  std::vector<std::string> ids;
  for (const Named& named : jobs) {
    auto answer = post_job(context, "/v1/jobs", named);
    if (!answer.ok()) return refused(context, answer.error(), named.file);
    print_submitted(context, *answer);
    for (const auto& job : list_at(*answer, "jobs"))
      ids.push_back(fmt::format("{}", integer_at(job, "id")));
  }
  return wait ? cli::wait(context, ids, "ended", -1) : 0;
}

Result<std::string> submit_one(const Context& context, const Json& job) {
  const std::string body = job.dump(-1, ' ', false, Json::error_handler_t::replace);
  BUSBAR_TRY(answer, post_job(context, "/v1/jobs", {"command line", body}));
  const Json& jobs = list_at(answer, "jobs");
  if (jobs.empty()) return {Errc::corrupt, "the daemon's answer names no job"};
  return fmt::format("{}", integer_at(jobs.front(), "id"));
}

int run_refused(const Context& context, const Error& error) {
  context.fail(error);
  const bool ours = error.code == Errc::unavailable || error.code == Errc::corrupt;
  return ours ? exit_busbar_failed : exit_refused;
}

int run(const Context& context, const std::vector<std::string>& command, const JobOptions& given) {
  const auto options = with_numbers(context, given);
  if (!options.ok()) return run_refused(context, options.error());
  auto id = submit_one(context, job_of_command(command, *options));
  if (!id.ok()) return run_refused(context, id.error());
  if (context.screen.interactive)
    context.note(fmt::format("job {} submitted; Ctrl-C leaves it running", *id));
  return follow_to_end(context, *id);
}

int plan(const Context& context, const std::string& file) {
  auto text = read_file(file);
  if (!text.ok()) return context.fail(text.error());
  auto body = body_of(file, *text, {});
  if (!body.ok()) return context.fail(body.error());
  auto answer = post_job(context, "/v1/plan", {file, std::move(*body)});
  if (!answer.ok()) return refused(context, answer.error(), file);
  if (context.json) return context.out(answer->dump(2) + "\n"), 0;
  bool possible = true;
  for (const auto& job : list_at(*answer, "jobs")) {
    possible = possible && flag_at(job, "possible");
    context.out(fmt::format("{}: {}\n", text_at(job, "name"), text_at(job, "sentence")));
    for (const auto& claim : list_at(job, "claims")) print_claim(context, claim);
  }
  return possible ? 0 : exit_refused;
}

}  // namespace busbar::cli
