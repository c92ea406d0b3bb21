// busbar-shim --directory D --installation I: supervises this machine's attempts and outlives the
// daemon. Returns 0 once it listens (or another one does) and goes on in the background.
#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "base/text.hpp"
#include "busbar_build.hpp"
#include "shim/server.hpp"

namespace {

using namespace busbar;
using namespace busbar::shim;

constexpr const char* usage =
    "usage: busbar-shim --directory D --installation I [--foreground] [--idle-exit-ms N]\n"
    "                   [--cgroups auto|v1|none] | --version\n"
    "Supervises the attempts of one Busbar installation on this machine. Started by busbard.\n"
    "D is a folder of mode 0700; records, log and socket lie in it.\n";

Result<Options> parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--foreground") {
      options.foreground = true;
      continue;
    }
    if (i + 1 == count) return Error{Errc::invalid, printable(word) + " lacks its value"};
    const std::string value = words[++i];
    if (word == "--directory") {
      options.directory = value;
    } else if (word == "--installation") {
      options.installation = value;
    } else if (word == "--cgroups") {
      if (value != "auto" && value != "v1" && value != "none")
        return Error{Errc::invalid, "--cgroups is one of auto, v1, none"};
      options.mode_max = value == "auto" ? CgroupMode::v2
                         : value == "v1" ? CgroupMode::v1
                                         : CgroupMode::none;
    } else if (word == "--idle-exit-ms" || word == "--resume") {
      const std::int64_t number = to_number(value);
      if (number < 0) return Error{Errc::invalid, word + " needs a number"};
      if (word == "--resume") options.resume_fd = static_cast<int>(number);
      if (word == "--idle-exit-ms") options.idle_exit_ms = number;
    } else {
      return Error{Errc::invalid, "unknown option " + printable(word)};
    }
  }
  if (options.directory.empty() || options.directory[0] != '/')
    return Error{Errc::invalid, "--directory needs an absolute path"};
  if (!valid_name(options.installation))
    return Error{Errc::invalid, "--installation needs a name of a-z, 0-9 and '-'"};
  return options;
}

// The background process tells by the pipe how its start went: "" or a sentence.
int wait_for_start(int fd) {
  std::string text;
  char part[1024];
  ssize_t n;
  while ((n = read(fd, part, sizeof part)) > 0) text.append(part, static_cast<std::size_t>(n));
  if (text == "ok") return 0;
  std::fprintf(stderr, "busbar-shim: %s\n", text.empty() ? "it died while starting" : text.c_str());
  return 1;
}

void go_into_the_background(const Options& options) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const std::string path = options.directory + "/shim.log";
  struct stat status {};
  const bool large = stat(path.c_str(), &status) == 0 && status.st_size > (1 << 20);
  const int log =
      open(path.c_str(),
           O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (large ? O_TRUNC : 0), 0600);
  dup2(null, 0);
  dup2(null, 1);
  dup2(log >= 0 ? log : null, 2);
  for (const int fd : {null, log})
    if (fd > 2) close(fd);
  if (chdir("/") != 0) std::perror("chdir");
}

int serve(const Options& options, int told) {
  Result<std::unique_ptr<Server>> server = Server::open(options, build_id);
  const bool conflict = !server.ok() && server.error().code == Errc::conflict;
  const std::string text = server.ok() || conflict ? "ok" : server.error().text;
  if (told >= 0 && write(told, text.data(), text.size()) < 0) std::perror("busbar-shim");
  if (told >= 0) close(told);
  if (told < 0 && text != "ok") std::fprintf(stderr, "busbar-shim: %s\n", text.c_str());
  if (!server.ok()) return conflict ? 0 : 1;
  if (told >= 0) go_into_the_background(options);
  return server.value()->run();
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::string_view(words[1]) == "--version") {
    std::printf("busbar-shim %s protocol %u build %s\n", build_version, protocol_version, build_id);
    return 0;
  }
  const Result<Options> options = parse(count, words);
  if (!options.ok()) {
    std::fprintf(stderr, "busbar-shim: %s\n%s", options.error().text.c_str(), usage);
    return 2;
  }
  umask(077);
  if (options.value().foreground || options.value().resume_fd >= 0)
    return serve(options.value(), -1);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::perror("busbar-shim"), 1;
  const pid_t pid = fork();
  if (pid < 0) return std::perror("busbar-shim"), 1;
  if (pid > 0) {
    close(ends[1]);
    return wait_for_start(ends[0]);
  }
  close(ends[0]);
  setsid();
  return serve(options.value(), ends[1]);
}
