// What a task group runs. One per group, content-addressed; the scheduler knows only its hash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "model/ids.hpp"
#include "model/job.hpp"

namespace busbar {

enum class ProbeKind : std::uint8_t { none, http, tcp, command };
template <>
struct EnumWords<ProbeKind> {
  static constexpr std::string_view words[] = {"none", "http", "tcp", "command"};
};

// Ready when the probe succeeds once: GET of `target` on port `port` answers 2xx; a TCP connect to
// it; or the command exits 0 inside the job's environment.
struct ReadyProbe {
  ProbeKind kind = ProbeKind::none;
  std::string target;      // path or command
  std::uint32_t port = 0;  // ordinal among the task's ports
  Span interval = seconds(1);
  Span timeout = span_unlimited;  // from start; then the attempt fails
  friend bool operator==(const ReadyProbe&, const ReadyProbe&) = default;
};
template <class V>
void describe(V& visit, Like<ReadyProbe> auto& probe) {
  visit("kind", probe.kind);
  visit("target", probe.target);
  visit("port", probe.port);
  visit("interval", probe.interval);
  visit("timeout", probe.timeout);
}

struct Payload {
  std::string run;                   // a shell script; its own #! line or /bin/sh
  std::vector<std::string> command;  // or an argument vector, without a shell
  std::string setup;  // script run before it, once per node; failure fails the attempt
  List<Label> environment;
  std::string working_directory;     // absolute
  std::string output;                // pattern with %j %a %x %r(rank) %n(attempt); "" default
  std::string error;                 // "" joins output
  std::string checkpoint_directory;  // pattern; "" none; stable across restarts
  ReadyProbe ready;
  std::uint32_t umask = 022;
  std::string submit_directory;  // where it was submitted; "" unknown
  friend bool operator==(const Payload&, const Payload&) = default;
};
template <class V>
void describe(V& visit, Like<Payload> auto& payload) {
  visit("run", payload.run);
  visit("command", payload.command);
  visit("setup", payload.setup);
  visit("environment", payload.environment);
  visit("working_directory", payload.working_directory);
  visit("output", payload.output);
  visit("error", payload.error);
  visit("checkpoint_directory", payload.checkpoint_directory);
  visit("ready", payload.ready);
  visit("umask", payload.umask);
  visit("submit_directory", payload.submit_directory);
}

// An encoded Payload beside its name.
struct PayloadBlob {
  PayloadHash hash;
  std::string bytes;
  friend bool operator==(const PayloadBlob&, const PayloadBlob&) = default;
};
template <class V>
void describe(V& visit, Like<PayloadBlob> auto& blob) {
  visit("hash", blob.hash);
  visit("bytes", blob.bytes);
}

PayloadBlob encode_payload(const Payload& payload);
Result<Payload> decode_payload(std::string_view bytes);  // corrupt when it is not one

}  // namespace busbar
