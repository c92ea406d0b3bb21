// The Engine for this machine: inventory, busbar-shim, readiness probes and logs behind one face.
//
// Shape    one thread turns the reconciler and speaks with the shim; others take inventory, try
//          probes, read logs and remove scratch folders. Every report and every log comes from the
//          engine's thread.
// Holds    opened with live attempts, it reports what became of them, then the node, then that it
//          is synchronised: a boot since then must not lose an attempt whose exit was kept.
// Errors   what concerns a job ends in a report with a sentence; what concerns the machine goes to
//          `warn`, once.
#pragma once

#include <memory>

#include "engine/local/account.hpp"
#include "engine/local/device_provider.hpp"
#include "model/launch.hpp"
#include "ports/engine.hpp"

namespace busbar::local {

struct LocalOptions {
  std::string state_directory;    // the shim's folder and, by default, scratch lie in it
  std::string shim_program;       // absolute path of busbar-shim
  std::string shim_build;         // of that program; a running one of another becomes it
  std::string scratch_directory;  // gets a folder busbar-<installation>; "" in the state folder,
                                  // or in /var/tmp where users cannot reach that
  std::string cluster = "local";
  std::string api_socket;          // handed to jobs as BUSBAR_SOCKET
  std::string programs_directory;  // last in a job's PATH; "" none
  std::string node_name;           // "" is the host's name
  bool find_devices = true;
  std::vector<SimulatedDevices> simulated;
  std::vector<std::string> features;
  List<NamedCount> named;
  std::vector<std::string> topology;
  std::uint32_t port_first = 20000;
  std::uint32_t port_count = 1000;
  Span inventory_interval = seconds(60);
  bool bind_cores = true;
  std::uint32_t pids_max = 32'768;    // of one attempt
  std::int64_t output_bytes_max = 0;  // of one attempt's output files; 0: no limit
  UserPolicy users;
  std::function<void(const std::string&)> warn;
};

class LocalEngine : public Engine {
 public:
  // `payload` gives the encoded Payload of a hash; called on the engine's thread.
  LocalEngine(LocalOptions options, std::function<Result<std::string>(PayloadHash)> payload);
  ~LocalEngine() override;

  // conflict: this machine's supervisor belongs to another installation, whose jobs run on; opened
  // all the same, the engine would never be synchronised.
  Result<Ok> check_supervisor(const std::string& installation) const;

  std::string cluster() const override;
  EngineCapabilities capabilities() const override;
  void open(std::string installation, std::vector<Launch> live, ReportSink sink) override;
  void launch(const Launch& launch) override;
  void end(const std::string& attempt_name, Span grace) override;
  void revoke(const std::string& attempt_name) override;
  void limit(const std::string& attempt_name, Span time_limit) override;
  void look_up(const std::string& attempt_name) override;
  void acknowledge(const std::string& attempt_name) override;
  void read_log(const LogRequest& request, LogSink sink) override;
  void close() override;

 private:
  class Loop;
  LocalOptions options_;
  std::function<Result<std::string>(PayloadHash)> payload_;
  std::shared_ptr<Loop> loop_;
};

}  // namespace busbar::local
