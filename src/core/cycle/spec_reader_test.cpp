#include <algorithm>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "core/cycle/spec_testing.hpp"

namespace busbar::core::testing {
namespace {

using Words = std::vector<std::string>;

Words words_of(std::string_view text) {
  Words out;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// "cores=2" among words from `from` on.
std::map<std::string, std::string> options_of(const Words& words, std::size_t from) {
  std::map<std::string, std::string> out;
  for (std::size_t i = from; i < words.size(); ++i) {
    const auto at = words[i].find('=');
    out[words[i].substr(0, at)] = at == std::string::npos ? "yes" : words[i].substr(at + 1);
  }
  return out;
}

std::int64_t number(const std::string& text) { return std::stoll(text); }

DeviceRequest device_request(const std::string& text) {  // 2:H100, 1@0.5, 1:H100@0.25
  DeviceRequest out;
  const auto share = text.find('@');
  if (share != std::string::npos) out.share = MilliDevices(*parse_milli(text.substr(share + 1)));
  const std::string head = text.substr(0, share);
  const auto model = head.find(':');
  if (model != std::string::npos) out.model = head.substr(model + 1);
  out.count = static_cast<std::uint32_t>(number(head.substr(0, model)));
  return out;
}

class Spec {
 public:
  std::string run(std::string_view table) {
    std::string wrong;
    for (const auto line : split(table, '\n')) {
      std::string_view row = trim(line.substr(0, line.find('#')));
      if (row.empty()) continue;
      const std::string found = this->row(row);
      if (!found.empty()) wrong += std::string(row) + "\n    " + found + "\n";
    }
    return wrong;
  }

 private:
  std::string row(std::string_view text) {
    const auto arrow = text.find("->");
    const Words words = words_of(text.substr(0, arrow));
    if (words[0] == "nodes") return nodes(words), "";
    if (words[0] == "tenant") return tenant(words), "";
    if (words[0] == "policy") return policy(words), "";
    if (words[0] == "typical") return typical(words), "";
    if (words[0] == "levels") return levels(words), "";
    world_.world.now = Tick(1'000'000 + 1000 * number(words[0].substr(2)));
    if (const std::string wrong = act(words); !wrong.empty()) return wrong;
    world_.cycle();
    if (!world_.problem.empty()) return "broken: " + world_.problem;
    if (arrow == std::string_view::npos) return {};
    std::string wrong;
    for (const auto clause : split(text.substr(arrow + 2), ';')) {
      const std::string found = expect(words_of(clause), words.size() > 2 ? words[2] : "");
      if (!found.empty()) wrong += (wrong.empty() ? "" : "; ") + found;
    }
    return wrong;
  }

  void nodes(const Words& words) {
    const auto options = options_of(words, 2);
    const auto get = [&](const char* key, const char* otherwise) {
      const auto it = options.find(key);
      return it == options.end() ? std::string(otherwise) : it->second;
    };
    for (std::int64_t i = 0; i < number(words[1]); ++i) {
      Node out = node("n" + std::to_string(world_.world.state.nodes().size() + 1),
                      number(get("cores", "1")), *parse_bytes(get("memory", "64G")));
      const DeviceRequest devices = device_request(get("gpus", "0"));
      for (std::uint32_t d = 0; d < devices.count; ++d) {
        out.devices.push_back(device(devices.model.empty() ? "A100" : devices.model, d));
        out.devices.back().link_domain =
            1 + d / static_cast<std::uint32_t>(number(get("link", "64")));
      }
      if (options.contains("rack")) out.topology = {get("rack", "")};
      if (options.contains("feature")) out.features = {get("feature", "")};
      if (options.contains("licence")) out.named = {{"licence", number(get("licence", "0"))}};
      if (options.contains("cluster")) out.cluster = get("cluster", "");
      world_.add(out);
    }
  }

  void levels(const Words& words) {
    Config config = world_.world.state.config();
    config.topology_levels.assign(words.begin() + 1, words.end());
    world_.configure(config);
  }

  void tenant(const Words& words) {
    Config config = world_.world.state.config();
    TenantConfig out;
    out.name = words[1];
    const auto options = options_of(words, 2);
    for (const auto& [key, value] : options) {
      if (key == "weight") out.weight = static_cast<std::uint32_t>(number(value));
      if (key == "running") out.running_max = static_cast<std::uint64_t>(number(value));
      if (key == "quota")
        out.quota.push_back(
            {value.substr(0, value.find(':')), number(value.substr(value.find(':') + 1)) * 1000});
    }
    config.tenants.push_back(out);
    std::sort(config.tenants.begin(), config.tenants.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    world_.configure(config);
  }

  void policy(const Words& words) {
    Config config = world_.world.state.config();
    for (const auto& [key, value] : options_of(words, 1)) {
      if (key == "promises") config.policy.promises_max = static_cast<std::uint32_t>(number(value));
      if (key == "backfill") config.policy.backfill = value == "on";
      if (key == "reserve") config.policy.reserve = value == "on";
      if (key == "order") check(from_string(value, config.policy.order), "no such order");
      if (key == "pack") check(from_string(value, config.policy.pack), "no such rule of packing");
      if (key == "heads") config.policy.promise_heads = value == "promised";
      if (key == "within") config.policy.promise_within = seconds(number(value));
      if (key == "less") config.policy.promise_within_less_per_width = seconds(number(value));
      if (key == "budget") world_.budget.steps = static_cast<std::uint32_t>(number(value));
      if (key == "cleanup") config.cleanup_bound = seconds(number(value));
      if (key == "keep") config.finished_keep = seconds(number(value));
      if (key == "grace") grace_ = seconds(number(value));
    }
    world_.configure(config);
  }

  // What packing expects; it is written before the policy that needs it.
  void typical(const Words& words) {
    Config config = world_.world.state.config();
    TypicalRequest& request = config.policy.demand.emplace_back();
    for (const auto& [key, value] : options_of(words, 1)) {
      if (key == "weight") request.weight = static_cast<std::uint32_t>(number(value));
      if (key == "cores") request.cores = MilliCores(*parse_milli(value));
      if (key != "gpus") continue;
      const DeviceRequest devices = device_request(value);
      request.devices = devices.count;
      request.share = devices.share;
      if (!devices.model.empty()) request.models = {devices.model};
    }
    world_.configure(config);
  }

  Job job(const Words& words) {
    const auto options = options_of(words, 3);
    Resources each;
    TaskGroup group = task_group(1);
    Job out = loose(words[2]);
    out.grace = grace_;
    for (const auto& [key, value] : options) {
      if (key == "limit") out.time_limit = seconds(number(value));
      if (key == "cores") each.cores = MilliCores(*parse_milli(value));
      if (key == "memory") each.memory = *parse_bytes(value);
      if (key == "licence") each.named = {{"licence", number(value)}};
      if (key == "ports") each.ports = static_cast<std::uint32_t>(number(value));
      if (key == "gpus") each.devices.push_back(device_request(value));
      if (key == "prio") out.priority = static_cast<std::int32_t>(number(value));
      if (key == "tenant") out.tenant = value;
      if (key == "exclusive") out.exclusive = true;
      if (key == "held") out.hold = true;
      if (key == "exclude") out.exclude = {value};
      if (key == "begin") out.begin_at = at(value);
      if (key == "deadline") out.deadline_at = at(value);
      if (key == "spread") out.topology.edit().spread = value;
      if (key == "within") out.topology.edit().within = value;
      if (key == "required")
        out.topology.edit().required = true, out.topology.edit().within = value;
      if (key == "after") out.after.push_back(dependency(value));
    }
    shape(options, out, group);
    group.any_of[0].resources = each;
    if (options.contains("need")) group.any_of[0].constraint = {{{options.at("need")}}};
    if (options.contains("or")) {  // a second alternative by its devices
      group.any_of.push_back(group.any_of[0]);
      group.any_of[1].resources.devices = {device_request(options.at("or"))};
    }
    out.groups = {group};
    if (options.contains("twice")) out.groups.push_back(group);
    if (options.contains("and")) {  // a second group of so many tasks
      out.groups.push_back(task_group(static_cast<std::uint32_t>(number(options.at("and")))));
    }
    return out;
  }

  // nodes= tasks= per= array= extreme: how many tasks, and how they hang together.
  void shape(const std::map<std::string, std::string>& options, Job& out, TaskGroup& group) {
    for (const auto& [key, value] : options) {
      if (key == "nodes") {
        out.coupling = Coupling::tight;
        group.nodes = static_cast<std::uint32_t>(number(value));
        if (!options.contains("tasks")) group.count = {group.nodes, group.nodes};
      }
      if (key == "tasks") {
        out.coupling = Coupling::tight;
        const auto dots = value.find("..");
        const auto low = static_cast<std::uint32_t>(number(value.substr(0, dots)));
        group.count = {low, low};
        if (dots != std::string::npos)
          group.count.max = static_cast<std::uint32_t>(number(value.substr(dots + 2)));
      }
      if (key == "per") group.tasks_per_node = static_cast<std::uint32_t>(number(value));
      if (key == "array") {
        const auto percent = value.find('%');
        const auto units = static_cast<std::uint32_t>(number(value.substr(0, percent)));
        group.count = {units, units};
        if (percent != std::string::npos)
          group.parallel = static_cast<std::uint32_t>(number(value.substr(percent + 1)));
      }
    }
    if (options.contains("extreme")) out.coupling = Coupling::extreme;
  }

  Dependency dependency(const std::string& text) const {
    Dependency out;
    const auto colon = text.find(':');
    out.job = jobs_.at(text.substr(0, colon));
    if (colon != std::string::npos)
      check(from_string(std::string_view(text).substr(colon + 1), out.kind), "a dependency's kind");
    return out;
  }

  static Tick at(const std::string& text) { return Tick(1'000'000 + 1000 * number(text)); }
  NodeId node_id(const std::string& name) const {
    return world_.world.state.find_node(name)->node.id;
  }
  IndexSet waiting(const std::string& name, bool held) const {
    const GroupRecord& group = world_.world.state.find(jobs_.at(name))->groups[0];
    return held ? group.held : group.waiting;
  }

  std::string act(const Words& words) {
    const std::string& verb = words[1];
    State& state = world_.world.state;
    if (verb == "submit") {
      jobs_[words[2]] = world_.add(job(words));
    } else if (verb == "finish" || verb == "fail" || verb == "kill") {
      for (std::size_t i = 2; i < words.size(); ++i) {
        std::vector<AttemptId> live;
        for (const auto& [id, attempt] : state.attempts())
          if (id.unit.job == jobs_.at(words[i])) live.push_back(id);
        if (live.empty()) return words[i] + " does not run";
        for (const auto& id : live)
          world_.end(id, verb == "finish"
                             ? RunState::completed
                             : (verb == "fail" ? RunState::failed : RunState::node_fail));
      }
    } else if (verb == "end1") {  // one unit of it, by index
      const UnitId one{jobs_.at(words[2]), 0, static_cast<std::uint32_t>(number(words[3]))};
      world_.end(state.live_attempt(one)->id);
    } else if (verb == "retry") {  // its attempt fails and waits again until so many seconds
      const AttemptId id = state.live_attempt({jobs_.at(words[2]), 0, 0})->id;
      world_.apply(Ended{.attempt = id,
                         .state = RunState::node_fail,
                         .next = UnitNext::waits,
                         .not_before = at(words[3]),
                         .restarts = 1});
    } else if (verb == "ready") {
      const AttemptId id = state.live_attempt({jobs_.at(words[2]), 0, 0})->id;
      const AttemptRecord& attempt = *state.find(id);
      const Job& its = state.find(id.unit.job)->job;
      world_.apply(Running{
          id,
          {},
          world_.world.now + attempt.time_limit + its.grace + state.config().cleanup_bound});
      world_.apply(BecameReady{id, "n1:1"});
    } else if (verb == "hold") {
      world_.apply(UnitsHeld{jobs_.at(words[2]), 0, waiting(words[2], false), "asked", "ada"});
    } else if (verb == "release") {
      world_.apply(UnitsReleased{jobs_.at(words[2]), 0, waiting(words[2], true), "ada"});
    } else if (verb == "cancel") {
      world_.apply(UnitsClosed{jobs_.at(words[2]), 0, waiting(words[2], false), RunState::cancelled,
                               "asked", "ada"});
    } else if (verb == "drain") {
      world_.apply(NodeDrained{node_id(words[2]), "repair", "root"});
    } else if (verb == "resume") {
      world_.apply(NodeResumed{node_id(words[2]), "root"});
    } else if (verb == "down" || verb == "up") {
      world_.apply(NodeReachability{node_id(words[2]), verb == "up"});
    } else if (verb == "sync") {
      world_.apply(ClusterSynchronised{words[2]});
    } else if (verb == "close") {
      const auto options = options_of(words, 3);
      world_.apply(ReservationMade{{state.next_reservation(),
                                    "repair",
                                    {node_id(words[2])},
                                    at(options.at("from")),
                                    at(options.at("to")),
                                    "root"}});
    } else if (verb != "pass") {
      return "no such verb: " + verb;
    }
    return {};
  }

  template <class Event, class F>
  void each(F f) const {
    for (const auto& body : world_.accepted)
      if (const auto* event = std::get_if<Event>(&body)) f(*event);
  }
  std::string name_of(JobId id) const {
    for (const auto& [name, job] : jobs_)
      if (job == id) return name;
    return "?";
  }

  std::string expect(const Words& clause, const std::string& subject) {
    const std::string& verb = clause[0];
    if (verb == "start" || verb == "nothing") return expect_starts(clause, subject);
    if (verb == "hold") return expect_hold(clause, subject);
    std::multiset<std::string> got;
    const std::string name = clause.size() > 1 ? clause[1] : subject;
    std::string wanted = name;
    if (verb == "close") {
      each<UnitsClosed>([&](const auto& event) { got.insert(name_of(event.job)); });
    } else if (verb == "stop") {
      each<Stopping>([&](const auto& event) { got.insert(name_of(event.attempt.unit.job)); });
    } else if (verb == "retire") {
      each<JobRetired>([&](const auto& event) { got.insert(name_of(event.job)); });
    } else if (verb == "void") {
      wanted += " " + clause[2];
      each<PromiseVoided>([&](const auto& event) {
        got.insert(name_of(event.unit.job) + " " + std::string(to_string(event.cause)));
      });
    } else if (verb == "promise") {
      wanted += " " + clause[2];
      each<Promised>([&](const auto& event) {
        got.insert(name_of(event.unit.job) + " " +
                   std::to_string((event.at.value - 1'000'000) / 1000));
      });
    } else if (verb == "on") {
      wanted += " " + clause[2];
      each<Granted>([&](const auto& event) {
        std::string where;
        for (const auto& claim : event.allocation.claims) {
          where += (where.empty() ? "" : ",") +
                   world_.world.state.nodes()[claim.node.value - 1].node.name;
          for (const auto& share : claim.devices)
            where += (&share == &claim.devices.front() ? ":" : "+") + std::to_string(share.ordinal);
        }
        got.insert(name_of(event.attempt.unit.job) + " " + where);
      });
    } else {
      return "no such answer: " + verb;
    }
    if (got.contains(wanted)) return {};
    std::string all;
    for (const auto& each_got : got) all += " [" + each_got + "]";
    return "wanted " + verb + " " + wanted + ", got" + (all.empty() ? " nothing" : all);
  }

  std::string expect_starts(const Words& clause, const std::string& subject) const {
    std::map<std::string, std::int64_t> wanted, got;
    for (std::size_t i = 1; i < clause.size(); ++i) {
      const auto star = clause[i].find('*');
      wanted[clause[i].substr(0, star)] =
          star == std::string::npos ? 1 : number(clause[i].substr(star + 1));
    }
    if (clause[0] == "start" && clause.size() == 1) wanted[subject] = 1;
    each<Granted>([&](const auto& event) { got[name_of(event.attempt.unit.job)] += 1; });
    if (wanted == got) return {};
    std::string text = "started:";
    for (const auto& [name, count] : got) text += " " + name + "*" + std::to_string(count);
    return text + (got.empty() ? " nothing" : "") + hints();
  }

  std::string hints() const {
    std::string text;
    for (const auto& verdict : world_.verdicts)
      text += ", " + name_of(verdict.job) + ":" + std::string(to_string(verdict.reason));
    return text;
  }

  std::string expect_hold(const Words& clause, const std::string& subject) const {
    std::string name = subject;
    std::string at_text;
    for (std::size_t i = 2; i < clause.size(); ++i)
      (clause[i].starts_with("at=") ? at_text : name) = clause[i];
    for (const auto& verdict : world_.verdicts) {
      if (verdict.job != jobs_.at(name)) continue;
      if (to_string(verdict.reason) != clause[1]) continue;
      const std::string got =
          "at=" + std::to_string((verdict.start_estimate.value - 1'000'000) / 1000);
      if (!at_text.empty() && got != at_text) return "held " + got;
      return {};
    }
    return "no such verdict" + hints();
  }

  CycleWorld world_;
  std::map<std::string, JobId> jobs_;
  Span grace_;
};

}  // namespace

std::string run_spec(std::string_view table) { return Spec().run(table); }

}  // namespace busbar::core::testing
