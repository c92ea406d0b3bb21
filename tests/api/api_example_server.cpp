// A real server over a State with one of everything, for the test of docs/openapi.json:
//   api_example_server FOLDER    listens at FOLDER/socket until its standard input ends
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "api/server.hpp"
#include "api/testing.hpp"

namespace busbar::api {
namespace {

using namespace core::testing;
using testing::TestBackend;

void fill(TestBackend& backend, const std::string& folder) {
  Node big = node("n1", 16, gibibytes(64), 4);
  big.features = {"fast", "infiniband"};
  big.named = {{"licence", 4}};
  big.topology = {"rack1"};
  const NodeId n1 = backend.add_node(big);
  backend.add_node(node("n2", 8));
  const Caller ada = testing::operator_caller();
  const auto tell = [&](Command command) {
    const auto done = backend.tell(std::move(command));
    check(done.ok(), done.ok() ? "" : done.error().text);
  };
  TenantConfig tenant;
  tenant.name = "default";
  tenant.quota = {{"cores", 20'000}, {"memory", 1LL << 40}};
  Config config;
  config.tenants = {tenant};
  tell(Configure{config});

  Resources resources = core::testing::resources(2, gibibytes(1));
  resources.devices.push_back(gpus(2));
  resources.ports = 1;
  Job train = loose("train", 1, resources);
  train.labels = {{"project", "alpha"}};
  train.checkpoint.edit().present = true;
  train.restart.edit().exit_codes = {3};
  backend.add_job(train);
  const AttemptId running = backend.grant(unit(1), n1);
  backend.run(running);
  backend.happen(BecameReady{running, "n1:20000"});
  backend.happen(Progressed{running, 10, 100});

  backend.add_job(array("sweep", {1, 100, 1}, 10));
  const AttemptId first = backend.grant(unit(2, 0), n1);
  backend.advance(seconds(5));
  backend.run(first);
  backend.advance(seconds(90));
  backend.end(first, RunState::failed, 3);
  tell(HoldUnits{some_of(2, {50, 60}), ada.user});

  Job waits = loose("waits", 1, core::testing::resources(12));
  waits.after.push_back({DependencyKind::ok, JobId(1), 0, "train"});
  backend.add_job(waits);
  backend.add_job(loose("done"));
  const AttemptId done = backend.grant(unit(4), n1);
  backend.run(done);
  backend.end(done);
  backend.happen(JobRetired{JobId(4)});
  Job mine = loose("mine");
  mine.user.uid = geteuid();
  backend.add_job(mine);
  backend.run(backend.grant(unit(5), n1));
  TokenFacts facts;
  facts.id = "a1b2c3d4";
  facts.user = "ada";
  facts.uid = geteuid();
  if (!backend.tokens().add(std::string(64, 'a'), facts).ok()) std::abort();
  tell(MakeReservation{"maintenance", {"n2"}, Tick(900'000), Tick(1'900'000), ada.user});
  tell(DrainNode{"n2", "fan", ada.user});

  core::Verdict verdict;
  verdict.job = JobId(3);
  verdict.units = 1;
  verdict.reason = core::Reason::dependency;
  verdict.blockers = {JobId(1)};
  verdict.start_estimate = Tick(500'000);
  backend.settle();
  backend.replica().publish({{verdict}, {}}, true);
  std::ofstream(folder + "/ready") << "yes\n";
}

int run(const std::string& folder) {
  TestBackend backend;
  fill(backend, folder);
  ServerOptions options;
  options.unix_door = UnixDoor{folder + "/socket"};
  auto server = Server::open(options, backend.replica(), backend);
  if (!server.ok()) return std::fprintf(stderr, "%s\n", server.error().text.c_str()), 1;
  server.value()->start();
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server.value()->stop(std::chrono::seconds(2));
  return 0;
}

}  // namespace
}  // namespace busbar::api

int main(int count, char** arguments) {
  if (count != 2) return 2;
  return busbar::api::run(arguments[1]);
}
