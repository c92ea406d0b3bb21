// Batches for the store's own tests: plausible, small, made from a seed.
#pragma once

#include <string>

#include "base/rng.hpp"
#include "model/written.hpp"
#include "ports/journal.hpp"

namespace busbar::store::testing {

inline PayloadBlob make_payload(std::uint64_t number) {
  Payload payload;
  payload.run = "#!/bin/sh\necho job " + std::to_string(number) + "\n";
  payload.working_directory = "/tmp";
  return encode_payload(payload);
}

// Submits job `number` with the payload of that number.
inline Event make_submitted(std::uint64_t number) {
  Job job;
  job.id = JobId(number);
  job.name = "job-" + std::to_string(number);
  job.user.name = number % 2 == 0 ? "ada" : "grace";
  job.tenant = "default";
  TaskGroup group;
  group.payload = make_payload(number).hash;
  group.any_of.resize(1);
  job.groups.push_back(group);
  Submitted submitted;
  submitted.jobs.push_back(job);
  return {Revision(), Tick(), submitted};
}

inline HistoryRow make_history(std::uint64_t job, std::uint32_t attempt, RunState state) {
  HistoryRow row;
  row.unit.job = JobId(job);
  row.attempt = attempt;
  row.unit_name = std::to_string(job);
  row.job_name = "job-" + row.unit_name;
  row.user = job % 2 == 0 ? "ada" : "grace";
  row.tenant = "default";
  row.state = state;
  row.ended = Tick(static_cast<std::int64_t>(1000 * job + attempt));
  return row;
}

inline HistoryJob make_retired(std::uint64_t number) {
  HistoryJob retired;
  retired.job = std::get<Submitted>(make_submitted(number).body).jobs.front();
  retired.ended = Tick(static_cast<std::int64_t>(1000 * number));
  return retired;
}

// Numbers events and jobs on from where it stands.
class BatchMaker {
 public:
  explicit BatchMaker(std::uint64_t seed = 0, Revision last = {}) : rng_(seed), last_(last) {}

  Batch next() {
    Batch batch;
    const std::uint64_t events = 1 + rng_.below(5);
    for (std::uint64_t i = 0; i < events; ++i) add(batch, event(batch));
    batch.mark = {Tick(static_cast<std::int64_t>(last_.value)), "boot", 7, 8};
    return batch;
  }
  void add(Batch& batch, Event made) {
    last_ = made.revision = Revision(last_.value + 1);
    made.tick = Tick(static_cast<std::int64_t>(last_.value));
    batch.events.push_back(std::move(made));
  }
  Revision last() const { return last_; }

 private:
  Event event(Batch& batch) {
    const std::uint64_t job = last_.value + 1;
    switch (rng_.below(4)) {
      case 0:
        batch.payloads.push_back(make_payload(job));
        return make_submitted(job);
      case 1:
        return {Revision(), Tick(), Progressed{{{JobId(1 + rng_.below(9)), 0, 0}, 1}, 5, 6}};
      case 2:
        return {Revision(), Tick(), NodeDrained{NodeId(1), std::string(rng_.below(90), 'x'), "op"}};
      default:
        batch.history.push_back(make_history(job, 1, RunState::completed));
        return {Revision(), Tick(), JobRetired{JobId(job)}};
    }
  }

  Rng rng_;
  Revision last_;
};

}  // namespace busbar::store::testing
