#include "jobfile/after.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "jobfile/fields.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::size_t dependencies_max = 1000;

class Resolver {
 public:
  Resolver(std::vector<Job>& jobs, Problems& problems) : jobs_(jobs), problems_(problems) {}

  void read(const Field& list, std::size_t position) {
    if (list.is(yaml::Kind::text)) return read_one(list, position);
    if (!list.is(yaml::Kind::list) || list->items.size() > dependencies_max)
      return list.refuse(problems_,
                         fmt::format("found {}; write a list of at most {} names, such as [prep, "
                                     "train:any, 1234]",
                                     found_many(*list.value, yaml::Kind::list), dependencies_max));
    for (std::size_t i = 0; i < list->items.size(); ++i) read_one(list.child(i), position);
  }

  // Notes every cycle once, at the `after` that closes it.
  void refuse_cycles(const std::vector<Field>& places) {
    std::vector<int> state(jobs_.size(), 0);  // 0 new, 1 on the path, 2 done
    struct Step {
      std::size_t job;
      std::size_t next;
    };
    for (std::size_t root = 0; root < jobs_.size(); ++root) {
      if (state[root] != 0) continue;
      std::vector<Step> path{{root, 0}};
      state[root] = 1;
      while (!path.empty()) {
        Step& step = path.back();
        const auto& after = jobs_[step.job].after;
        if (step.next == after.size()) {
          state[step.job] = 2;
          path.pop_back();
          continue;
        }
        const Dependency& dependency = after[step.next++];
        if (dependency.job.value != 0) continue;
        const std::size_t target = dependency.document;
        if (state[target] == 1) {
          std::string words;
          auto at = std::find_if(path.begin(), path.end(),
                                 [&](const Step& s) { return s.job == target; });
          for (; at != path.end(); ++at) words += printable(jobs_[at->job].name, 40) + " after ";
          words += printable(jobs_[target].name, 40);
          const std::size_t from = path.back().job;
          places[from].refuse(problems_,
                              from == target
                                  ? fmt::format("{}: a job cannot wait for itself", words)
                                  : fmt::format("these jobs wait for each other: {}; remove one of "
                                                "the waits",
                                                words));
        } else if (state[target] == 0) {
          state[target] = 1;
          path.push_back({target, 0});
        }
      }
    }
  }

 private:
  void read_one(const Field& field, std::size_t position) {
    if (problems_.full()) return;
    std::string text;
    if (!jobfile::read(field, problems_, text)) return;
    Dependency out;
    const std::size_t colon = text.rfind(':');
    const std::string kind = colon == std::string::npos ? "" : text.substr(colon + 1);
    out.name = std::string(trim(std::string_view(text).substr(0, colon)));
    if (colon != std::string::npos && !from_string(kind, out.kind)) {
      const std::string_view near = nearest(kind, words_of<DependencyKind>());
      return field.refuse(
          problems_, fmt::format("\"{}\" waits for \"{}\"; {}", printable(text), printable(kind),
                                 near.empty() ? "write NAME, NAME:any, NAME:failed or NAME:ready"
                                              : fmt::format("did you mean \"{}\"?", near)));
    }
    const bool digits =
        !out.name.empty() && out.name.find_first_not_of("0123456789") == std::string::npos;
    if (digits) {
      const auto number = parse_count(out.name);
      if (!number || *number == 0)
        return field.refuse(problems_, fmt::format("\"{}\" is no job's number", printable(text)));
      out.job = JobId(static_cast<std::uint64_t>(*number));
    } else if (!find_document(field, out)) {
      return;
    }
    auto& after = jobs_[position].after;
    if (std::find(after.begin(), after.end(), out) != after.end())
      return field.refuse(problems_, fmt::format("\"{}\" is written twice", printable(text)));
    after.push_back(std::move(out));
  }

  bool find_document(const Field& field, Dependency& out) {
    std::vector<std::string_view> names;
    std::size_t matches = 0;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      names.push_back(jobs_[i].name);
      if (jobs_[i].name != out.name) continue;
      out.document = static_cast<std::uint32_t>(i);
      ++matches;
    }
    if (matches > 1)
      return field.refuse(problems_,
                          fmt::format("{} jobs of this file are called \"{}\"; give each "
                                      "a name of its own",
                                      matches, printable(out.name))),
             false;
    if (matches == 0) {
      const std::string_view near = nearest(out.name, names);
      return field.refuse(
                 problems_,
                 fmt::format("no job of this file is called \"{}\"; {}", printable(out.name),
                             near.empty() ? "a job outside the file is named by its number"
                                          : fmt::format("did you mean \"{}\"?", near))),
             false;
    }
    const auto& groups = jobs_[out.document].groups;
    const bool probed = std::any_of(groups.begin(), groups.end(),
                                    [](const TaskGroup& group) { return group.has_ready_probe; });
    if (out.kind == DependencyKind::ready && !probed)
      return field.refuse(
                 problems_,
                 fmt::format("the job \"{}\" never becomes ready; give it \"ready: {{http: "
                             "/PATH}}\" or the like",
                             printable(out.name))),
             false;
    return true;
  }

  std::vector<Job>& jobs_;
  Problems& problems_;
};

}  // namespace

void resolve_dependencies(const std::vector<yaml::Value>& documents, std::vector<Job>& jobs,
                          Problems& problems) {
  Resolver resolver(jobs, problems);
  std::vector<Field> places(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const yaml::Value* after = documents[i].find("after");
    if (after == nullptr) continue;
    places[i] = {after, "after"};
    resolver.read(places[i], i);
  }
  resolver.refuse_cycles(places);
}

}  // namespace busbar::jobfile
