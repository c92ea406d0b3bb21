// An engine turns durable `granted` Events into running processes and tells what becomes of them.
//
// Calls are idempotent by attempt name and never block; answers are only ever reports (Commands)
// through the sink, which may be called from any thread. Every ambiguous answer ends in look_up by
// name.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/command.hpp"
#include "model/launch.hpp"

namespace busbar {

struct EngineCapabilities {
  bool picks_node = true;      // Busbar chooses the node
  bool picks_device = true;    // ... the devices
  bool picks_core = false;     // ... the cores; else the engine reports those it bound
  bool enforces_limit = true;  // the engine ends an attempt whose time limit ran out
  Span cleanup_bound = seconds(10);
};

using ReportSink = std::function<void(Command)>;

struct LogRequest {
  std::string node;
  UserRef user;              // the file is opened as this user
  std::string path;          // from model/output_path
  std::int64_t offset = -1;  // in the file; -1: where the attempt's output begins
  std::int64_t length_max = 65536;
  AttemptId attempt;  // nothing behind its unit's next one is read; job 0: the whole file
};
struct LogChunk {
  std::string bytes;
  std::int64_t size = 0;   // of the file now, up to where the attempt's part ends
  std::int64_t begin = 0;  // where the attempt's part begins
};
using LogSink = std::function<void(Result<LogChunk>)>;

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string cluster() const = 0;
  virtual EngineCapabilities capabilities() const = 0;
  // Starts inventory and observation. `live` are the attempts that State holds; the engine reports
  // what became of each, AttemptSighted for every other attempt that bears `installation`, then
  // EngineSynchronised. What was sighted is left alone until it is named in a call.
  virtual void open(std::string installation, std::vector<Launch> live, ReportSink sink) = 0;
  // With `launch.after` the attempt starts by itself when that one has ended, at once when it has
  // already; while both live the other one's end is reported before this one's start.
  virtual void launch(const Launch& launch) = 0;
  virtual void end(const std::string& attempt_name, Span grace) = 0;
  // Takes back a launch that still waits for its predecessor: AttemptEnded, stopped. One that has
  // started runs on. What was to follow it follows its predecessor.
  virtual void revoke(const std::string& attempt_name) = 0;
  // Another time limit for a live attempt, counted from its start as the first one was. One that
  // has run longer ends as if it had just run out; one that is being ended already is left alone.
  // After open() it is the limits of `live` that hold.
  virtual void limit(const std::string& attempt_name, Span time_limit) = 0;
  virtual void look_up(const std::string& attempt_name) = 0;
  virtual void acknowledge(const std::string& attempt_name) = 0;
  virtual void read_log(const LogRequest& request, LogSink sink) = 0;
  // Stops observing; leaves every attempt running.
  virtual void close() = 0;
};

}  // namespace busbar
