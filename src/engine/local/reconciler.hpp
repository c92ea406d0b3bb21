// Makes the shim's world agree with State's, whatever gets lost between them.
//
// Shape    In: calls of the Engine, frames, connects, ticks. Out: frames through the Transport,
//          reports through the sink. Everything is keyed by attempt name and may be said twice.
// Holds    a name is started once: a Start is repeated only while its answer is missing, which the
//          shim answers without starting again; an acknowledgement, after which the shim forgets
//          the name, goes out only when no Start of it can still be under way. Absence is reported
//          only after the shim denied the attempt to a question asked `absence_settle` after the
//          first sign of it, so that a Start under way at a crash has arrived. A start is reported
//          only after the end of the attempt that it was staged after.
// Source   pure: it reads no clock and touches nothing but its arguments.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/local/core_book.hpp"
#include "model/command.hpp"
#include "model/launch.hpp"
#include "ports/engine.hpp"
#include "ports/transport.hpp"
#include "shim/protocol.hpp"

namespace busbar::local {

struct ReconcilerOptions {
  std::string cluster = "local";
  std::string node;
  std::string shim_program;           // another shim upgrades itself to this; "" never
  std::string build;                  // of shim_program; "" any
  Span answer_wait = seconds(5);      // then a request is said again
  Span audit_interval = seconds(60);  // between full lists
  Span absence_settle = Span(300);
  // How much later than its successors a frame can arrive: zero for a socket.
  Span lateness_max;
  Span unreachable_after = seconds(15);  // without a connection, or without an answer
};

// What the reconciler asks of its machine; the real one reads payloads and touches files.
class Machine {
 public:
  virtual ~Machine() = default;
  // The request to the shim, with all that it needs in place. The error's text goes to
  // the user as a failed launch.
  virtual Result<shim::StartRequest> prepare(const Launch& launch,
                                             const std::vector<Claim>& bound) = 0;
  // It runs (said again after a reconnect); it ended; nobody needs anything of it any more.
  virtual void started(const Launch& launch, const std::vector<Claim>& bound) = 0;
  // An output file of it held so much before.
  virtual void output_began(const AttemptId& attempt, const std::string& path,
                            std::int64_t bytes) = 0;
  virtual void ended(const std::string& name) = 0;
  virtual void forgotten(const std::string& name) = 0;
  virtual void warn(const std::string& sentence) = 0;
};

class Reconciler {
 public:
  Reconciler(ReconcilerOptions options, CoreBook book, Transport& transport, Machine& machine,
             ReportSink report);

  void open(const std::string& installation, const std::vector<Launch>& live, Tick now);
  void launch(const Launch& launch, Tick now);
  void end(const std::string& name, Span grace, Tick now);
  void revoke(const std::string& name, Tick now);
  void limit(const std::string& name, Span time_limit);
  void look_up(const std::string& name, Tick now);
  void acknowledge(const std::string& name, Tick now);

  void connected(Tick now);
  void disconnected(Tick now);
  void frame(std::string_view bytes, Tick now);
  void tick(Tick now);

  void became_ready(const std::string& name, const std::string& address);
  // The attempt's readiness probe gave up: the attempt is ended and fails with `sentence`.
  void probe_failed(const std::string& name, const std::string& sentence, Tick now);

  bool synchronised() const { return synchronised_; }
  bool linked() const { return linked_; }

 private:
  enum class Phase {
    adopting,  // whether the shim has it is not known yet
    waiting,   // its Start was never sent: no link yet, or a shim that cannot stage it
    staged,    // sent, to start when its predecessor has ended
    starting,  // sent, not answered
    running,
    ended,
    leaving,  // acknowledged; its name is kept while a Start may still be under way
  };
  struct Entry {
    Launch launch;
    AttemptId id;
    Phase phase = Phase::waiting;
    bool has_launch = true;     // false: only the name is known
    bool launch_asked = false;  // launch() came while adopting
    std::vector<Claim> bound;
    shim::StartRequest start_request;  // once prepared, until it runs
    Tick start_sent;
    std::optional<Span> end_grace;
    Tick end_sent;
    Tick absent_since = tick_never;
    Tick absence_asked = tick_never;
    std::string failure;  // said instead of the exit's own detail
    AttemptEnded exit;
    bool shim_holds_exit = false;
    bool revoking = false;
    bool lost = false;    // starting: the link was cut, and the shim does not know it
    bool absent = false;  // ended: the shim denies it
    bool closed = false;  // State closed it before it ended (a fence): its end is not reported
  };
  using Entries = std::map<std::string, Entry>;

  template <class T>
  bool send(const T& message) {
    return transport_.send(shim::encode(message));
  }
  void on(const shim::ShimHello& hello, Tick now);
  void on(const shim::Held& held, Tick now);
  void on(const shim::Started& started, Tick now);
  void on(const shim::Exited& exited, Tick now);
  void on(const shim::Refused& refused, Tick now);
  void on(const shim::Revoked& revoked, Tick now);
  template <class T>
  void on(const T&, Tick) {}  // what only the daemon says

  void ask_list(Tick now);
  void ask_upgrade();
  void list_complete(Tick now);
  // An attempt of our installation that no call has named.
  void sights(const std::string& name, bool running);
  void sees_running(const std::string& name, Tick now);
  void sees_staged(const std::string& name);
  void becomes_running(Entry& entry, Tick now);
  void becomes_ended(Entry& entry, AttemptEnded exit, bool shim_holds_exit, Tick now);
  void try_start(Entry& entry, Tick now);
  // The attempt that this one is staged after, while that one has not ended.
  Entry* predecessor(const Entry& entry);
  static bool shim_holds(const Entry& entry);
  // It is over: what was staged after it takes its place.
  void pass_on(const Entry& gone, Tick now);
  void send_end(Entry& entry, Tick now);
  void note_absent(Entry& entry, Tick now);
  void conclude_absent(Entries::iterator at, Tick now);
  void tick_entry(Entry& entry, Tick now);
  void tick_link(Tick now);
  void check_synchronised();
  void report_state(Entry& entry);
  bool leave(const Entry& entry, Tick now);
  void check_limit(const shim::HeldAttempt& held);
  void say_reachable();
  void awaits(Tick now) { unanswered_since_ = std::min(unanswered_since_, now); }
  bool overdue(Tick since, Tick now) const { return now >= since + options_.answer_wait; }
  Span settle() const { return std::max(options_.absence_settle, options_.lateness_max); }

  ReconcilerOptions options_;
  CoreBook book_;
  Transport& transport_;
  Machine& machine_;
  ReportSink report_;

  std::string installation_;
  bool opened_ = false;
  Tick opened_at_;
  bool synchronised_ = false;
  bool connected_ = false;
  bool greeted_ = false;  // the shim said hello on this connection
  bool linked_ = false;   // ... and listed what it holds
  bool upgrade_sent_ = false;
  bool renewal_asked_ = false;  // of a shim of our version but another build: once
  bool unreachable_reported_ = false;
  bool reachable_reported_ = false;
  Tick asked_at_;  // the hello or the list that is not answered yet
  bool list_open_ = false;
  bool shim_stages_ = false;
  bool shim_sets_limits_ = false;
  Tick unlinked_since_;
  Tick ticked_at_;
  Tick probed_at_;
  Tick unanswered_since_ = tick_never;  // the first request since the shim last said anything
  Tick audited_at_;
  std::set<std::string> seen_;  // in the list under way
  Entries entries_;
};

}  // namespace busbar::local
