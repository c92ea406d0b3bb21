// What a submission gives, and the sentence of each refusal.
#include <gtest/gtest.h>

#include "core/state/testing.hpp"

namespace busbar::core {
namespace {

using namespace testing;

SubmitJobs submit(std::vector<Job> jobs, std::string key = {}, UserRef by = user()) {
  SubmitJobs command;
  command.user = std::move(by);
  command.jobs = std::move(jobs);
  command.idempotency_key = std::move(key);
  return command;
}

Dependency after_document(std::uint32_t document, DependencyKind kind = DependencyKind::ok) {
  return {kind, JobId(0), document, "doc"};
}
Dependency after_job(std::uint64_t id, DependencyKind kind = DependencyKind::ok) {
  return {kind, JobId(id), 0, std::to_string(id)};
}

Job with_after(Job job, List<Dependency> after) {
  job.after = std::move(after);
  return job;
}

TEST(Submit, GivesIdsTenantAndTimeLimit) {
  World w;
  Config config;
  config.default_time_limit = hours(2);
  ASSERT_EQ(w.refusal(Configure{config}), "");
  const auto decision =
      w.tell(submit({loose("prep"), with_after(loose("train", 3), {after_document(0)})}));
  ASSERT_TRUE(decision.ok());
  EXPECT_EQ(decision->jobs, (std::vector<JobId>{JobId(1), JobId(2)}));
  const Job& train = w.state.find(JobId(2))->job;
  EXPECT_EQ(train.tenant, "default");
  EXPECT_EQ(train.time_limit, hours(2));
  EXPECT_EQ(train.after[0].job, JobId(1));
  EXPECT_EQ(train.user.name, "ada");
  EXPECT_EQ(w.state.dependents(JobId(1)), std::vector<JobId>{JobId(2)});
  EXPECT_EQ(w.broken, "");
}

TEST(Submit, ARepeatedKeyAnswersWithTheFirstIdsForADay) {
  World w;
  const auto first = w.tell(submit({loose("a"), loose("b")}, "k1"));
  const auto again = w.tell(submit({loose("a"), loose("b")}, "k1"));
  EXPECT_EQ(again->jobs, first->jobs);
  EXPECT_TRUE(again->events.empty());
  const auto other = w.tell(submit({loose("a")}, "k1", user("bob", 1001)));
  EXPECT_EQ(other->jobs, std::vector<JobId>{JobId(3)});
  w.advance(hours(24));
  EXPECT_EQ(w.tell(submit({loose("a")}, "k1"))->jobs, std::vector<JobId>{JobId(4)});
  EXPECT_EQ(w.broken, "");
}

struct Row {
  Job job;
  Errc code;
  const char* sentence;
};

void expect_refused(World& w, const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    const auto decision = decide(w.state, submit({row.job}), w.now);
    ASSERT_FALSE(decision.ok()) << row.sentence;
    EXPECT_EQ(decision.error().text, row.sentence);
    EXPECT_EQ(decision.error().code, row.code) << row.sentence;
  }
}

template <class Change>
Job changed(Job job, Change change) {
  change(job);
  return job;
}

TEST(Submit, RefusesWhatContradictsItself) {
  World w;
  const auto limit = [](Job& job) { job.time_limit = Span(0); };
  const auto late = [](Job& job) { job.deadline_at = Tick(1000); };
  const auto never = [](Job& job) { job.begin_at = Tick(9000), job.deadline_at = Tick(9000); };
  const auto elastic = [](Job& job) { job.groups[0].count.max = 9; };
  const auto nodes = [](Job& job) { job.groups[0].nodes = 2, job.groups[0].tasks_per_node = 3; };
  const auto level = [](Job& job) { job.topology.edit().within = "nod"; };
  const auto share = [](Job& job) {
    job.groups[0].any_of[0].resources.devices = {gpus(1)};
    job.groups[0].any_of[0].resources.devices[0].share = MilliDevices(1001);
  };
  expect_refused(
      w, {{changed(loose("a"), limit), Errc::invalid, "job \"a\" needs a time limit above zero"},
          {changed(loose(""), late), Errc::invalid,
           "job 1 of this submission has a deadline that has already passed"},
          {changed(loose("a"), never), Errc::invalid,
           "job \"a\" would begin after its deadline; move one of them"},
          {changed(loose("a"), elastic), Errc::invalid,
           "job \"a\" is loose, so its number of tasks is fixed; use parallel: for its width"},
          {changed(gang("a", 8), nodes), Errc::invalid,
           "job \"a\" asks for 8 tasks, but 2 nodes with 3 each hold only 6"},
          {changed(gang("a", 8), level), Errc::invalid,
           "job \"a\" names an unknown level: there is no topology level \"nod\"; did you mean "
           "\"node\"?"},
          {changed(loose("a"), share), Errc::invalid,
           "job \"a\" asks for a share of a device outside 0.001 to 1"},
          {loose("a", 1'000'001), Errc::invalid,
           "job \"a\" has 1000001 units, but at most 1000000 are allowed; split it"}});
}

TEST(Submit, RefusesTenantsThatAreUnknownClosedFullOrNotTheUsers) {
  World w;
  Config config;
  TenantConfig physics{.name = "physics", .quota = {}, .users = {"bob"}};
  TenantConfig small{.name = "small", .quota = {}, .submitted_max = 5, .users = {}};
  TenantConfig old{.name = "old", .quota = {}, .users = {}};
  config.tenants = {{.name = "default", .quota = {}, .users = {}}, old, physics, small};
  ASSERT_EQ(w.refusal(Configure{config}), "");
  const auto of = [](const char* tenant, std::uint32_t units = 1) {
    return changed(loose("a", units), [&](Job& job) { job.tenant = tenant; });
  };
  ASSERT_EQ(w.refusal(submit({of("old")})), "");
  ASSERT_EQ(w.refusal(submit({of("small", 3)})), "");
  config.tenants.erase(config.tenants.begin() + 1);
  ASSERT_EQ(w.refusal(Configure{config}), "");
  expect_refused(
      w, {{of("physic"), Errc::not_found,
           "job \"a\": there is no tenant \"physic\"; did you mean \"physics\"?"},
          {of("chemistry"), Errc::not_found,
           "job \"a\": there is no tenant \"chemistry\"; known: default, physics, small"},
          {of("physics"), Errc::denied,
           "job \"a\": user ada may not submit to tenant \"physics\"; choose another, or ask an "
           "operator to be added"},
          {of("old"), Errc::denied,
           "job \"a\": tenant \"old\" was removed from the configuration and takes no new jobs"},
          {of("small", 3), Errc::unavailable,
           "tenant \"small\" may have 5 units in the queue; 3 are there and this submission adds "
           "3; wait until some have ended, or submit fewer"},
          {of("small", 6), Errc::unsatisfiable,
           "tenant \"small\" may have 5 units in the queue; 3 are there and this submission adds "
           "6; wait until some have ended, or submit fewer"}});
  EXPECT_EQ(w.broken, "");
}

TEST(Submit, RefusesDependenciesThatCanNeverHold) {
  World w;
  const NodeId n1 = w.add(node("n1", 4));
  w.add(loose("gone"));
  w.end(w.grant(unit(1), n1));
  w.apply(JobRetired{JobId(1)});
  w.add(loose("plain"));
  expect_refused(
      w,
      {{with_after(loose("a"), {after_job(1)}), Errc::not_found,
        "job \"a\" waits for job 1, which ended and has left the queue; \"busbar history 1\" shows "
        "how it ended; leave it out of after:"},
       {with_after(loose("a"), {after_job(99)}), Errc::not_found,
        "job \"a\" waits for job 99, which does not exist"},
       {with_after(loose("a"), {after_document(0)}), Errc::invalid,
        "job \"a\" waits for itself; remove this after:"},
       {with_after(loose("a"), {after_document(7)}), Errc::invalid,
        "job \"a\" waits for document 8, but this submission has 1"},
       {with_after(loose("a"), {after_job(2, DependencyKind::ready)}), Errc::invalid,
        "job \"a\" waits until \"plain\" is ready, but that job has no ready: probe; give it one, "
        "or wait for its end"}});
  EXPECT_EQ(w.refusal(submit({loose("first"), with_after(loose("prep"), {after_document(3)}),
                              with_after(loose("train"), {after_document(0), after_document(1)}),
                              with_after(loose("eval"), {after_document(2)})})),
            "the jobs wait for each other in a circle: job \"prep\" after job \"eval\" after job "
            "\"train\" after job \"prep\"; remove one of these after:");
  EXPECT_EQ(w.refusal(submit({with_after(loose("late"), {after_document(1)}), loose("early")})),
            "");
  EXPECT_EQ(w.broken, "");
}

}  // namespace
}  // namespace busbar::core
