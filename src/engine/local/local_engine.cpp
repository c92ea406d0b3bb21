#include "engine/local/local_engine.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "engine/local/inventory.hpp"
#include "engine/local/local_machine.hpp"
#include "engine/local/log_reader.hpp"
#include "engine/local/reconciler.hpp"
#include "engine/local/shim_connection.hpp"
#include "engine/local/worker.hpp"
#include "model/names.hpp"

namespace busbar::local {
namespace {

constexpr int turn_ms = 200;
constexpr Span tick_every = Span(50);  // it looks at every attempt

Tick now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Tick(std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000);
}

bool others_can_enter(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    struct stat status {};
    if (stat(path.substr(0, at).c_str(), &status) == 0 && (status.st_mode & S_IXOTH) == 0)
      return false;
    if (at != std::string::npos) ++at;
  }
  return true;
}

}  // namespace

// Everything that runs between open and close.
class LocalEngine::Loop {
 public:
  Loop(const LocalOptions& options, PayloadSource payload, std::string installation,
       std::vector<Launch> live, ReportSink sink)
      : options_(options),
        installation_(std::move(installation)),
        live_(std::move(live)),
        sink_(std::move(sink)),
        wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        connection_({options.state_directory + "/shim", options.shim_program, installation_},
                    options.warn) {
    check(wake_fd_ >= 0, "no eventfd");
    choose_scratch();
    MachineOptions machine;
    machine.cluster = options_.cluster;
    machine.scratch_directory = options_.scratch_directory;
    machine.api_socket = options_.api_socket;
    machine.programs_directory = options_.programs_directory;
    machine.users = options_.users;
    machine.output_book = options_.state_directory + "/outputs";
    machine.limits = {options_.pids_max, options_.output_bytes_max, options_.bind_cores};
    machine_ = std::make_unique<LocalMachine>(
        machine, std::move(payload),
        [this](const std::string& name, const std::string& address) {
          post([this, name, address] { reconciler_->became_ready(name, address); });
        },
        [this](const std::string& name, const std::string& sentence) {
          post([this, name, sentence] { reconciler_->probe_failed(name, sentence, now()); });
        },
        options_.warn);
  }

  void start() {
    engine_thread_ = std::thread([this] { turn(); });
    inventory_thread_ = std::thread([this] { take_inventory(); });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (closing_) return;
      closing_ = true;
    }
    inventory_due_.notify_all();
    wake();
    inventory_thread_.join();
    engine_thread_.join();
    logs_.reset();
    machine_.reset();
    rmdir(options_.scratch_directory.c_str());  // stays while attempts have folders in it
  }

  ~Loop() {
    stop();
    ::close(wake_fd_);
  }

  // Runs `task` on the engine's thread, once the node is known.
  void post(std::function<void()> task) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (closing_) return;
      first = tasks_.empty();
      tasks_.push_back(std::move(task));
    }
    if (first) wake();
  }

  void read_log(const LogRequest& request, LogSink sink) {
    std::unique_lock lock(mutex_);
    if (closing_) {
      lock.unlock();
      return sink({Errc::unavailable, "the engine is closed"});
    }
    logs_->post([this, request, sink = std::move(sink)] {
      OutputBook::Range part;
      if (request.attempt.unit.job != JobId())
        part = machine_->outputs().of(request.attempt, request.path);
      auto chunk = std::make_shared<Result<LogChunk>>(read_log_file(request, options_.users, part));
      post([sink, chunk] { sink(*chunk); });
    });
  }

  Reconciler& reconciler() { return *reconciler_; }

 private:
  void wake() {
    const std::uint64_t one = 1;
    if (write(wake_fd_, &one, sizeof one) < 0 && errno != EAGAIN) check(false, "eventfd");
  }

  void warn(const std::string& sentence) {
    if (options_.warn) options_.warn(sentence);
  }

  // Always a folder that only Busbar makes; the configured one around it stays as it is.
  void choose_scratch() {
    std::string& path = options_.scratch_directory;
    if (!path.empty()) {
      if (mkdir(path.c_str(), 0711) == 0) chmod(path.c_str(), 0711);  // whatever the umask
      path += "/busbar-" + installation_;
    } else {
      const bool reachable = geteuid() != 0 || others_can_enter(options_.state_directory);
      path = reachable ? options_.state_directory + "/scratch" : "/var/tmp/busbar-" + installation_;
    }
    const Result<int> folder = open_own_folder(path);
    if (folder) {
      ::close(*folder);
    } else {
      warn("no job can start: " + folder.error().text);
    }
  }

  void take_inventory() {
    InventoryOptions wish;
    wish.node_name = options_.node_name;
    wish.cluster = options_.cluster;
    wish.scratch_directory = options_.scratch_directory;
    wish.fallback_machine_id = "installation-" + installation_;
    wish.port_first = options_.port_first;
    wish.port_count = options_.port_count;
    wish.features = options_.features;
    wish.named = options_.named;
    wish.topology = options_.topology;
    auto providers =
        options_.find_devices ? vendor_providers() : std::vector<std::unique_ptr<DeviceProvider>>{};
    if (!options_.simulated.empty()) providers.push_back(simulated_provider(options_.simulated));
    Inventory inventory(wish, std::move(providers), options_.warn);
    std::unique_lock lock(mutex_);
    while (!closing_) {
      lock.unlock();
      Node node = inventory.take();
      lock.lock();
      found_ = std::move(node);
      wake();
      inventory_due_.wait_for(lock, std::chrono::milliseconds(options_.inventory_interval.value),
                              [this] { return closing_; });
    }
  }

  void tell_node() {
    node_held_ = false;
    sink_(NodeReport{node_});
  }

  // A node report with a new boot id loses what ran on the node, and exits outlive a boot: the
  // first one waits until the shim has told what it holds.
  void report(Command command) {
    if (const auto* seen = std::get_if<AttemptSighted>(&command))
      names_.insert(attempt_name(installation_, seen->attempt));
    if (std::holds_alternative<EngineSynchronised>(command)) {
      machine_->scratch().remove_all_but(installation_, names_);
      if (node_held_) tell_node();
    }
    sink_(std::move(command));
  }

  // The first inventory makes the reconciler; later ones are told when they differ.
  void meet_node() {
    std::optional<Node> found;
    {
      const std::lock_guard lock(mutex_);
      found.swap(found_);
    }
    if (!found || (reconciler_ && *found == node_)) return;
    node_ = std::move(*found);
    machine_->describe_node(node_);
    if (!reconciler_) node_held_ = !live_.empty();
    if (!node_held_) tell_node();
    if (reconciler_) return;
    ReconcilerOptions wish;
    wish.cluster = options_.cluster;
    wish.node = node_.name;
    wish.shim_program = options_.shim_program;
    wish.build = options_.shim_build;
    reconciler_ =
        std::make_unique<Reconciler>(wish, CoreBook(node_.numa), connection_, *machine_,
                                     [this](Command command) { report(std::move(command)); });
    connection_.set_receiver([this](std::string bytes) { reconciler_->frame(bytes, now()); },
                             [this] { reconciler_->connected(now()); },
                             [this] { reconciler_->disconnected(now()); });
    for (const Launch& launch : live_) names_.insert(launch.name);
    reconciler_->open(installation_, live_, now());
    live_.clear();
  }

  void turn() {
    while (true) {
      std::deque<std::function<void()>> tasks;
      {
        const std::lock_guard lock(mutex_);
        if (closing_) return;
        if (reconciler_) tasks.swap(tasks_);
      }
      for (const auto& task : tasks) task();
      meet_node();
      if (reconciler_) connection_.maintain(now());
      if (reconciler_ && now() >= ticked_at_ + tick_every) {
        ticked_at_ = now();
        reconciler_->tick(ticked_at_);
      }
      std::array<pollfd, 2> waits{pollfd{wake_fd_, POLLIN, 0},
                                  pollfd{connection_.fd(), connection_.events(), 0}};
      if (poll(waits.data(), connection_.fd() >= 0 ? 2 : 1, turn_ms) <= 0) continue;
      std::uint64_t ignored = 0;
      if (waits[0].revents != 0 && read(wake_fd_, &ignored, sizeof ignored) < 0) continue;
      if (connection_.fd() >= 0 && waits[1].revents != 0) connection_.handle(waits[1].revents);
    }
  }

  LocalOptions options_;
  std::string installation_;
  std::vector<Launch> live_;
  ReportSink sink_;
  int wake_fd_;
  std::mutex mutex_;
  std::condition_variable inventory_due_;
  bool closing_ = false;
  std::deque<std::function<void()>> tasks_;
  std::optional<Node> found_;

  // Of the engine's thread.
  Node node_;
  bool node_held_ = false;       // node_ is known here and not told yet
  std::set<std::string> names_;  // what lived or was sighted until the engine was synchronised
  Tick ticked_at_;
  ShimConnection connection_;
  std::unique_ptr<LocalMachine> machine_;
  std::unique_ptr<Reconciler> reconciler_;

  std::unique_ptr<Worker> logs_ = std::make_unique<Worker>();
  std::thread engine_thread_;
  std::thread inventory_thread_;
};

LocalEngine::LocalEngine(LocalOptions options,
                         std::function<Result<std::string>(PayloadHash)> payload)
    : options_(std::move(options)), payload_(std::move(payload)) {}

LocalEngine::~LocalEngine() { close(); }

std::string LocalEngine::cluster() const { return options_.cluster; }

EngineCapabilities LocalEngine::capabilities() const { return {}; }

Result<Ok> LocalEngine::check_supervisor(const std::string& installation) const {
  return local::check_supervisor(
      {options_.state_directory + "/shim", options_.shim_program, installation});
}

void LocalEngine::open(std::string installation, std::vector<Launch> live, ReportSink sink) {
  check(loop_ == nullptr, "an engine is opened once");
  loop_ = std::make_shared<Loop>(options_, payload_, std::move(installation), std::move(live),
                                 std::move(sink));
  loop_->start();
}

void LocalEngine::launch(const Launch& launch) {
  if (!loop_) return;
  loop_->post([loop = loop_.get(), launch] { loop->reconciler().launch(launch, now()); });
}

void LocalEngine::end(const std::string& attempt_name, Span grace) {
  if (!loop_) return;
  loop_->post([loop = loop_.get(), attempt_name, grace] {
    loop->reconciler().end(attempt_name, grace, now());
  });
}

void LocalEngine::revoke(const std::string& attempt_name) {
  if (!loop_) return;
  loop_->post(
      [loop = loop_.get(), attempt_name] { loop->reconciler().revoke(attempt_name, now()); });
}

void LocalEngine::limit(const std::string& attempt_name, Span time_limit) {
  if (!loop_) return;
  loop_->post([loop = loop_.get(), attempt_name, time_limit] {
    loop->reconciler().limit(attempt_name, time_limit);
  });
}

void LocalEngine::look_up(const std::string& attempt_name) {
  if (!loop_) return;
  loop_->post(
      [loop = loop_.get(), attempt_name] { loop->reconciler().look_up(attempt_name, now()); });
}

void LocalEngine::acknowledge(const std::string& attempt_name) {
  if (!loop_) return;
  loop_->post(
      [loop = loop_.get(), attempt_name] { loop->reconciler().acknowledge(attempt_name, now()); });
}

void LocalEngine::read_log(const LogRequest& request, LogSink sink) {
  if (!loop_) return sink({Errc::unavailable, "the engine is not open"});
  loop_->read_log(request, std::move(sink));
}

// Another thread may be in a call still: the loop, which does nothing any more, stays.
void LocalEngine::close() {
  if (loop_) loop_->stop();
}

}  // namespace busbar::local
