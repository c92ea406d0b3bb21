// The Engine's twin: runs attempts by what truly happens to them and reports through a network that
// loses, doubles and delays. It outlives the loop, as processes do, and keeps every exit until it
// is acknowledged.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/rng.hpp"
#include "ports/engine.hpp"
#include "sim/agenda.hpp"
#include "sim/faults.hpp"
#include "sim/truth.hpp"

namespace busbar::sim {

struct SimEngineOptions {
  Span report_delay = Span(5);         // where no fault makes it longer
  Span resync_interval = seconds(25);  // everything is told again; span_unlimited: never
};

class SimEngine : public Engine {
 public:
  SimEngine(std::string cluster, std::vector<Node> nodes, const Truths& truths, Agenda& agenda,
            Faults& faults, Rng rng, SimEngineOptions options = {});

  std::string cluster() const override { return cluster_; }
  EngineCapabilities capabilities() const override { return {}; }
  void open(std::string installation, std::vector<Launch> live, ReportSink sink) override;
  void launch(const Launch& launch) override;
  void end(const std::string& attempt_name, Span grace) override;
  void revoke(const std::string& attempt_name) override;
  void limit(const std::string& attempt_name, Span time_limit) override;
  void look_up(const std::string& attempt_name) override;
  void acknowledge(const std::string& attempt_name) override;
  void read_log(const LogRequest& request, LogSink sink) override;
  void close() override;

  // The machine loses power and comes back under a new boot id after `down`.
  void lose_node(std::size_t which, Span down);
  // The journal went back: names of attempts that came and went are free again.
  void forget_history();
  void lose_node(const std::string& name, Span down);  // where this engine has it
  std::size_t node_count() const { return nodes_.size(); }

  // The first time two attempts of one unit ran at once, or a device was used twice; "" never.
  const std::string& violation() const { return violation_; }
  std::uint64_t runs() const { return runs_; }  // attempts that reached their first instruction
  std::uint64_t staged_runs() const { return staged_runs_; }  // of these, started by a predecessor

 private:
  enum class Phase : std::uint8_t { staged, starting, running, exited };
  struct Process {
    Launch launch;
    Phase phase = Phase::starting;
    Tick started;
    Exit exit;
    Usage usage;
    bool stopping = false;
    std::uint64_t version = 0;  // a planned end of an older version does nothing
  };

  void start(Process& process);
  void begin(const std::string& name);
  void pass_on(const Process& gone);
  void foresee_end(const Process& process);
  void set_limit(Process& process, Span time_limit);
  void finish(const std::string& name, Exit exit);
  void plan_end(const std::string& name, Tick at, Exit exit);
  void check_alone(const Process& process);
  void stops_running(const Process& process);
  void tell(const std::string& name);
  void report(Command command);
  void deliver(Command command, Span delay);
  void plan_resync();
  void resync(std::uint64_t epoch);
  void maybe_crash(const char* where);
  bool node_up(const std::string& name) const;

  std::string cluster_;
  std::vector<Node> nodes_;
  std::vector<bool> up_;
  std::map<std::string, std::size_t, std::less<>> places_;  // by name, in nodes_
  const Truths& truths_;
  Agenda& agenda_;
  Faults& faults_;
  Rng rng_;
  SimEngineOptions options_;
  std::string installation_;
  std::map<std::string, Process> processes_;
  std::map<UnitId, std::string> running_;
  std::size_t staged_ = 0;       // of the processes
  std::set<std::string> begun_;  // names whose attempt reached its first instruction
  ReportSink sink_;
  std::uint64_t epoch_ = 0;  // counts openings: reports of an earlier loop never arrive
  std::uint64_t versions_ = 0;
  std::string violation_;
  std::uint64_t runs_ = 0;
  std::uint64_t staged_runs_ = 0;
};

}  // namespace busbar::sim
