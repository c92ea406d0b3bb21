// Tries readiness probes until they succeed, their attempt ends, or their time is over.
//
// Shape    one probe of an attempt at a time on a few threads of its own; the answers come from
//          those threads.
// Units    a try of HTTP or TCP takes at most 2 s, a command at most 10 s.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/local/account.hpp"
#include "engine/local/start_plan.hpp"

namespace busbar::local {

// One try. The address is "" where the probe names no port.
struct ProbeAnswer {
  bool ready = false;
  std::string address;
};
ProbeAnswer try_probe(const ProbePlan& plan, const Account& account);

class ProbeRunner {
 public:
  using Ready = std::function<void(const std::string& name, const std::string& address)>;
  using GaveUp = std::function<void(const std::string& name, const std::string& sentence)>;

  ProbeRunner(Ready ready, GaveUp gave_up);
  ~ProbeRunner();
  ProbeRunner(const ProbeRunner&) = delete;
  ProbeRunner& operator=(const ProbeRunner&) = delete;

  // `probes` in order; the first address is the attempt's. Known names are left alone.
  void start(const std::string& name, std::vector<ProbePlan> probes, Account account);
  void stop(const std::string& name);

 private:
  using Clock = std::chrono::steady_clock;
  struct Probing {
    std::vector<ProbePlan> probes;
    Account account;
    std::size_t next = 0;  // the first that has not succeeded
    std::string address;
    Clock::time_point started;
    Clock::time_point due;
    bool busy = false;
  };
  void work();
  void settle(const std::string& name, const ProbeAnswer& answer);

  Ready ready_;
  GaveUp gave_up_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Probing> probing_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace busbar::local
