#include "cli/top.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "cli/jobs.hpp"

namespace busbar::cli {
namespace {

volatile sig_atomic_t ended = 0;
void note_end(int) { ended = 1; }

// Raw keys and the alternate screen while it lives; the terminal is as before afterwards.
class RawTerminal {
 public:
  RawTerminal() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_all("\x1b[?1049h\x1b[?25l\x1b[?7l");
    struct sigaction action {};
    action.sa_handler = note_end;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  }
  ~RawTerminal() {
    write_all("\x1b[?7h\x1b[?25h\x1b[?1049l");
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  static void write_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
      if (written <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }

 private:
  termios before_{};
};

std::string bar(const Screen& screen, double used, double total, std::size_t width) {
  const double share = total > 0 ? std::clamp(used / total, 0.0, 1.0) : 0;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width) + 0.5);
  const Colour colour = share > 0.9 ? Colour::red : share > 0.6 ? Colour::yellow : Colour::green;
  return "[" + screen.paint(std::string(filled, '|'), colour) + std::string(width - filled, ' ') +
         "]";
}

std::string meter(const Screen& screen, std::string_view name, double used, double total,
                  const std::string& words) {
  return fmt::format("{:<8}{} {}", name, bar(screen, used, total, 30), words);
}

void add_header(const TopAnswers& answers, const Screen& screen, std::vector<std::string>& out) {
  const Json& status = answers.status;
  const Json& jobs = object_at(status, "jobs");
  std::string counts;
  for (const char* name : {"pending", "running", "ended"})
    counts += fmt::format("  {} {}", integer_at(jobs, name), name);
  out.push_back(screen.paint("busbar", Colour::bold) +
                fmt::format(" {}  up {}  jobs:{}", text_at(status, "version"),
                            short_seconds(number_at(status, "uptime_seconds")), counts));
  const auto show = [&](std::string_view name, const Json& quantity) {
    const double total = number_at(quantity, "total");
    const double used = total - number_at(quantity, "free");
    out.push_back(meter(screen, name, used, total, used_words(quantity)));
  };
  show("cores", object_at(status, "cores"));
  double memory = 0, free = 0;
  for (const auto& node : list_at(answers.nodes, "nodes")) {
    memory += number_at(object_at(node, "memory_bytes"), "total");
    free += number_at(object_at(node, "memory_bytes"), "free");
  }
  out.push_back(meter(screen, "memory", memory - free, memory,
                      short_bytes(static_cast<std::int64_t>(memory - free)) + "/" +
                          short_bytes(static_cast<std::int64_t>(memory))));
  if (number_at(object_at(status, "devices"), "total") > 0)
    show("devices", object_at(status, "devices"));
  out.emplace_back();
}

std::string time_of(const Json& job, std::int64_t now) {
  const std::string started = text_at(job, "started");
  const std::string predicted = text_at(job, "predicted_start");
  if (text_at(job, "state") == "PENDING") return predicted.empty() ? "" : relative(predicted, now);
  if (started.empty()) return "";
  return short_seconds(static_cast<double>(now - unix_ms_of(started)) / 1000);
}

std::string where_or_why(const Json& job, std::int64_t now) {
  std::string out = text_at(job, "reason");
  if (!out.empty()) return out;
  for (const auto& node : list_at(job, "nodes"))
    if (node.is_string()) out += (out.empty() ? "" : ",") + node.get<std::string>();
  const std::string told = progress_words(job, now);
  if (!told.empty()) out += (out.empty() ? "" : "  ") + told;
  return out;
}

// "3r 5w 10": running, waiting, of all; "2h" between them where units are held.
std::string units_words(const Json& units) {
  const std::int64_t held = integer_at(units, "held");
  return fmt::format("{}r {}w {}{}", integer_at(units, "running"), integer_at(units, "waiting"),
                     held > 0 ? fmt::format("{}h ", held) : "", integer_at(units, "total"));
}

}  // namespace

std::vector<std::string> top_frame(const TopAnswers& answers, const Screen& screen,
                                   std::size_t height, std::size_t scrolled, std::int64_t now) {
  std::vector<std::string> out;
  add_header(answers, screen, out);
  std::vector<const Json*> jobs;
  for (const auto& job : list_at(answers.jobs, "jobs")) jobs.push_back(&job);
  std::stable_sort(jobs.begin(), jobs.end(), [](const Json* a, const Json* b) {
    return (text_at(*a, "state") == "RUNNING") > (text_at(*b, "state") == "RUNNING");
  });
  if (jobs.empty()) out.emplace_back("no waiting or running jobs");
  Table table({"JOB", "NAME", "USER", "STATE", "UNITS", "TIME", "WANTS", "WHERE OR WHY"});
  const std::size_t room = height > out.size() + 1 ? height - out.size() - 1 : 1;
  for (std::size_t i = std::min(scrolled, jobs.size()); i < jobs.size() && i < scrolled + room;
       ++i) {
    const Json& job = *jobs[i];
    const Json& units = object_at(job, "units");
    const std::string state = text_at(job, "state");
    table.add({fmt::format("{}", integer_at(job, "id")), cut(text_at(job, "name"), 20),
               text_at(job, "user"), state, units_words(units), time_of(job, now), wants_words(job),
               where_or_why(job, now)},
              state_colour(state), 3);
  }
  const std::string text = table.empty() ? "" : table.text(screen);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = text.find('\n', start);
    out.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  if (out.size() > height) out.resize(height);
  return out;
}

namespace {

Result<TopAnswers> ask(const Context& context) {
  TopAnswers out;
  BUSBAR_TRY(status, context.get("/v1/status"));
  BUSBAR_TRY(nodes, context.get("/v1/nodes", {{"limit", "1000"}}));
  BUSBAR_TRY(jobs, context.get("/v1/jobs", {{"limit", "200"}, {"order", "oldest"}}));
  return TopAnswers{std::move(status), std::move(nodes), std::move(jobs)};
}

// Waits for a key at most a second; 0 when none came.
char read_key() {
  pollfd waiting{STDIN_FILENO, POLLIN, 0};
  if (poll(&waiting, 1, 1000) <= 0) return 0;
  char bytes[8] = {};
  const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
  if (got <= 0) return 'q';
  if (got >= 3 && bytes[0] == '\x1b' && bytes[1] == '[') {
    if (bytes[2] == 'A') return 'k';
    if (bytes[2] == 'B') return 'j';
    if (bytes[2] == '5') return 'u';
    if (bytes[2] == '6') return 'd';
  }
  return bytes[0];
}

std::size_t scroll(std::size_t at, char key, std::size_t page) {
  if (key == 'j') return at + 1;
  if (key == 'k') return at == 0 ? 0 : at - 1;
  if (key == 'd' || key == ' ') return at + page;
  if (key == 'u') return at < page ? 0 : at - page;
  return at;
}

}  // namespace

int top(const Context& context, bool once) {
  if (once || context.json || context.screen.width == 0 || isatty(STDIN_FILENO) != 1) {
    const auto answers = ask(context);
    if (!answers.ok()) return context.fail(answers.error());
    if (context.json)
      return context.out(Json{{"status", answers->status},
                              {"nodes", list_at(answers->nodes, "nodes")},
                              {"jobs", list_at(answers->jobs, "jobs")}}
                             .dump(2) +
                         "\n"),
             0;
    for (const auto& line : top_frame(*answers, context.screen, 60, 0, now_unix_ms()))
      context.out(line + "\n");
    return 0;
  }
  const RawTerminal terminal;
  std::size_t scrolled = 0;
  bool paused = false;
  auto answers = ask(context);
  while (ended == 0) {
    winsize size{};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    Screen screen = context.screen;
    screen.width = size.ws_col;
    std::string frame = "\x1b[H";
    if (answers.ok()) {
      const std::size_t shown = list_at(answers->jobs, "jobs").size();
      scrolled = std::min(scrolled, shown == 0 ? 0 : shown - 1);
      for (const auto& line : top_frame(*answers, screen, std::max<std::size_t>(size.ws_row, 2) - 1,
                                        scrolled, now_unix_ms()))
        frame += line + "\x1b[K\r\n";
    } else {
      frame += answers.error().text + "\x1b[K\r\n";
    }
    frame += "\x1b[J" + std::string(paused ? "paused  " : "") + "q quit  p pause  arrows scroll";
    RawTerminal::write_all(frame);
    const char key = read_key();
    if (key == 'q' || key == 3) break;
    if (key == 'p') paused = !paused;
    scrolled = scroll(scrolled, key, size.ws_row / 2);
    if (!paused) answers = ask(context);
  }
  return 0;
}

}  // namespace busbar::cli
