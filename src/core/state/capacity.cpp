#include "core/state/capacity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/maths.hpp"
#include "base/text.hpp"
#include "core/state/capacity_fit.hpp"
#include "core/state/nearest.hpp"

namespace busbar::core {
namespace {

// One resource of which the best node has too little.
struct Short {
  std::string asked;  // "8 x H100"
  std::string has;    // "2 x A100"
};

std::string plural(std::int64_t n, std::string_view word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

std::string cores_text(MilliCores cores) {
  return format_milli(cores.value) + (cores == whole_cores(1) ? " core" : " cores");
}

std::string device_text(const DeviceRequest& request) {
  std::string text = request.model.empty() ? "accelerator" : printable(request.model);
  if (request.memory_min_bytes > Bytes(0))
    text += fmt::format(" with {} of memory", format_bytes(request.memory_min_bytes));
  return text;
}

std::string asked_devices(const DeviceRequest& request) {
  if (request.share < MilliDevices(1000))
    return fmt::format("{} x {} of one {}", request.count, format_milli(request.share.value),
                       device_text(request));
  return fmt::format("{} x {}", request.count, device_text(request));
}

// "2 x A100, 1 x H100 (simulated)": what is there, by model; empty when there is none.
std::string devices_of(const Node& node) {
  std::map<std::string, std::uint32_t> counts;
  for (const auto& device : node.devices) {
    const bool simulated = node.simulated || device.simulated;
    ++counts[short_model(device) + (simulated ? " (simulated)" : "")];
  }
  std::string text;
  for (const auto& [model, count] : counts)
    text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, model);
  return text;
}

Short short_devices(const DeviceRequest& request, const Node& node) {
  const std::string has = devices_of(node);
  return {asked_devices(request), has.empty() ? "no accelerator" : has};
}

// What one task asks for beyond what the node has when empty.
std::vector<Short> shortfalls(const Resources& each, const Node& node) {
  std::vector<Short> out;
  for (const auto& request : each.devices)
    if (matching_shares(request, node) < request.count) out.push_back(short_devices(request, node));
  if (each.cores > node.cores) out.push_back({cores_text(each.cores), cores_text(node.cores)});
  if (each.memory > node.memory)
    out.push_back(
        {format_bytes(each.memory) + " of memory", format_bytes(node.memory) + " of memory"});
  if (each.scratch > node.scratch)
    out.push_back(
        {format_bytes(each.scratch) + " of scratch", format_bytes(node.scratch) + " of scratch"});
  if (each.ports > node.port_count)
    out.push_back({plural(each.ports, "port"), plural(node.port_count, "port")});
  for (const auto& named : each.named)
    if (const std::int64_t has = named_on(node, named.name); named.count > has)
      out.push_back({fmt::format("{} x {}", named.count, printable(named.name)),
                     fmt::format("{} x {}", has, printable(named.name))});
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

std::string listed(const std::vector<Short>& shorts, std::string Short::*field) {
  std::vector<std::string> parts;
  for (const auto& one : shorts)
    if (!(one.*field).empty()) parts.push_back(one.*field);
  return joined(parts);
}

// How much of each plain quantity the node covers, in thousandths, summed.
std::int64_t coverage(const Resources& each, const Node& node) {
  const auto part = [](std::int64_t asked, std::int64_t has) {
    return asked <= 0 || has >= asked ? 1000 : multiply_divide(has, 1000, asked);
  };
  std::int64_t sum =
      part(each.cores.value, node.cores.value) + part(each.memory.value, node.memory.value) +
      part(each.scratch.value, node.scratch.value) + part(each.ports, node.port_count);
  for (const auto& named : each.named) sum += part(named.count, named_on(node, named.name));
  return sum;
}

// "this cluster has 2 x A100 on n1": where accelerators are; at most three nodes are named. Empty
// when there is none.
std::string inventory(const State& state) {
  std::vector<std::string> parts;
  std::size_t more = 0;
  for (const auto& record : state.nodes()) {
    const std::string has = devices_of(record.node);
    if (has.empty()) continue;
    if (parts.size() == 3) {
      ++more;
    } else {
      parts.push_back(fmt::format("{} on {}", has, record.node.name));
    }
  }
  if (parts.empty()) return "";
  if (more > 0) parts.push_back(plural(static_cast<std::int64_t>(more), "more node"));
  return "this cluster has " + joined(parts);
}

DeviceRequest any_devices(std::uint32_t count, MilliDevices share) {
  DeviceRequest out;
  out.count = count;
  out.share = share;
  return out;
}

const DeviceRequest* missing_everywhere(const State& state, const Resources& each) {
  for (const auto& request : each.devices) {
    const bool somewhere = std::any_of(
        state.nodes().begin(), state.nodes().end(),
        [&](const NodeRecord& record) { return matching_shares(request, record.node) > 0; });
    if (request.count > 0 && !somewhere) return &request;
  }
  return nullptr;
}

// "an H100", "a 4090": capitals are read letter by letter.
std::string article(const std::string& noun) {
  const auto capital = [&](std::size_t i) {
    return i < noun.size() && (std::isupper(static_cast<unsigned char>(noun[i])) != 0 ||
                               (i > 0 && std::isdigit(static_cast<unsigned char>(noun[i])) != 0));
  };
  const std::string_view vowels = capital(0) && capital(1) ? "AEFHILMNORSX" : "aeioAEIO8";
  return vowels.find(noun.front()) != std::string_view::npos ? "an " : "a ";
}

struct Group {
  const State& state;
  const Job& job;
  std::uint32_t position;

  const TaskGroup& tasks() const { return job.groups[position]; }
  std::string who() const {
    std::string text =
        job.name.empty() ? std::string("the job") : fmt::format("job \"{}\"", printable(job.name));
    if (!tasks().name.empty()) text += fmt::format(", group \"{}\",", printable(tasks().name));
    return text;
  }
};

// Why no node is even looked at: excluded, or without the features.
std::string no_node_text(const Group& group, const Alternative& alternative) {
  if (group.state.nodes().empty())
    return fmt::format("{} cannot run: no node is registered here", group.who());
  std::set<std::string> features;
  for (const auto& record : group.state.nodes())
    features.insert(record.node.features.begin(), record.node.features.end());
  std::string text = fmt::format("{} excludes, or constrains away, every node here", group.who());
  if (!alternative.constraint.empty())
    text += features.empty() ? "; no node here has features"
                             : fmt::format("; features here: {}", fmt::join(features, ", "));
  return text;
}

// No node could hold one task, even when empty.
std::string task_text(const Group& group, const Alternative& alternative) {
  const Node* best = best_node(group.state, group.job, alternative);
  if (best == nullptr) return no_node_text(group, alternative);
  const Resources& each = alternative.resources;
  std::vector<Short> shorts = shortfalls(each, *best);
  if (shorts.empty())
    return fmt::format("{} asks for devices that no node has together; the best node, {}, has {}",
                       group.who(), best->name, devices_of(*best));
  std::string text =
      fmt::format("{} asks for {} per task, but ", group.who(), listed(shorts, &Short::asked));
  if (const DeviceRequest* missing = missing_everywhere(group.state, each)) {
    const std::string noun = device_text(*missing);
    text += fmt::format("no node has {}{}", article(noun), noun);
    const std::string others = inventory(group.state);
    if (!others.empty()) {
      text += "; " + others;
    } else if (*missing != any_devices(missing->count, missing->share)) {
      text += " or any other accelerator";
    }
    std::erase_if(shorts, [&](const Short& one) { return one.asked == asked_devices(*missing); });
    if (!shorts.empty()) text += "; ";
  }
  if (!shorts.empty())
    text += fmt::format("the best node, {}, has {}", best->name, listed(shorts, &Short::has));
  return text;
}

std::int64_t nodes_for_one(const Group& group, const Alternative& alternative) {
  const auto& nodes = group.state.nodes();
  return std::count_if(nodes.begin(), nodes.end(), [&](const NodeRecord& record) {
    return eligible(group.job, alternative, record.node) && tasks_on(alternative, record.node) > 0;
  });
}

// One task fits somewhere, but not all of the gang together.
std::string gang_text(const Group& group, const Alternative& alternative, const PartFit& part) {
  const TaskGroup& tasks = group.tasks();
  std::string shape = plural(tasks.count.min, "task");
  if (tasks.nodes > 0) shape += fmt::format(" on {}", plural(tasks.nodes, "node"));
  if (tasks.tasks_per_node > 0) shape += fmt::format(", at most {} a node", tasks.tasks_per_node);
  std::string where = "all nodes together hold";
  if (group.job.coupling == Coupling::extreme) {
    const std::string has = part.limit.empty() ? "holds" : "has " + part.limit + " for";
    where = part.name.empty() ? "no link domain holds more than"
                              : fmt::format("the largest link domain, on {}, {}", part.name, has);
  } else if (!part.name.empty()) {
    where = fmt::format("the largest part, {}, holds", part.name);
  }
  if (const auto nodes = nodes_for_one(group, alternative); nodes < tasks.nodes)
    return fmt::format("{} asks for {} at once, but only {} can hold a task of it", group.who(),
                       shape, plural(nodes, "node"));
  return fmt::format("{} asks for {} at once, but {} {}", group.who(), shape, where, part.tasks);
}

bool task_fits(const Group& group, const Alternative& alternative) {
  return nodes_for_one(group, alternative) > 0;
}

// Whether nothing registered keeps the group's alternative from running.
bool alternative_fits(const Group& group, const Alternative& alternative) {
  if (!task_fits(group, alternative)) return false;
  if (group.job.coupling == Coupling::loose) return true;
  return best_part(group.state, group.job, group.tasks(), alternative).tasks >=
         group.tasks().count.min;
}

bool group_fits(const Group& group) {
  return std::any_of(
      group.tasks().any_of.begin(), group.tasks().any_of.end(),
      [&](const Alternative& alternative) { return alternative_fits(group, alternative); });
}

// Why the alternative, which does not fit, does not.
std::string why_not(const Group& group, const Alternative& alternative) {
  if (!task_fits(group, alternative)) return task_text(group, alternative);
  return gang_text(group, alternative,
                   best_part(group.state, group.job, group.tasks(), alternative));
}

// What one unit of the alternative takes at least of a quota's name.
std::int64_t least_amount(const State& state, const Resources& each, std::string_view name) {
  if (name == "cores") return each.cores.value;
  if (name == "memory") return each.memory.value;
  if (name == "scratch") return each.scratch.value;
  std::int64_t amount = 0;
  for (const auto& named : each.named)
    if (named.name == name) amount += named.count;
  for (const auto& request : each.devices) {
    const std::int64_t devices = request.count * request.share.value;
    bool covered = name == "gpu" || lower(name) == lower(request.model);
    if (!covered) {
      // Every device that would do is one of the quota's.
      covered = true;
      const DeviceRequest of_quota{std::string(name), {}, 0, MilliDevices(1000)};
      for (const auto& record : state.nodes()) {
        for (const auto& device : record.node.devices)
          if (device_matches(request, device) && !device_matches(of_quota, device)) covered = false;
      }
      covered =
          covered && missing_everywhere(state, {.devices = {of_quota}, .named = {}}) == nullptr;
    }
    if (covered) amount += devices;
  }
  return amount;
}

bool names_countable(const Job& job, std::string_view name) {
  for (const auto& group : job.groups)
    for (const auto& alternative : group.any_of)
      for (const auto& named : alternative.resources.named)
        if (named.name == name) return true;
  return false;
}

std::string quota_text(const Job& job, std::string_view name, std::int64_t amount) {
  if (name == "memory" || name == "scratch")
    return fmt::format("{} of {}", format_bytes(Bytes(amount)), name);
  if (names_countable(job, name)) return fmt::format("{} {}", amount, name);
  if (name == "cores") return cores_text(MilliCores(amount));
  return fmt::format("{} {}{}", format_milli(amount), name,
                     name == "gpu" && amount != 1000 ? "s" : "");
}

}  // namespace

std::string short_model(const Device& device) {
  std::string word;
  std::string with_digit;
  for (std::size_t i = 0; i <= device.model.size(); ++i) {
    const char c = i < device.model.size() ? device.model[i] : ' ';
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
      continue;
    }
    const bool digit = word.find_first_of("0123456789") != std::string::npos;
    const bool starts_with_digit = !word.empty() && word[0] >= '0' && word[0] <= '9';
    if (digit && !starts_with_digit) return word;
    if (digit && with_digit.empty()) with_digit = word;
    word.clear();
  }
  if (!with_digit.empty()) return with_digit;
  return device.model.empty() ? device.vendor : device.model;
}

bool only_simulated(const State& state, const Job& job) {
  bool simulated = false;
  for (const auto& group : job.groups)
    for (const auto& alternative : group.any_of)
      for (const auto& request : alternative.resources.devices)
        for (const auto& record : state.nodes())
          for (const auto& device : record.node.devices) {
            if (!device_matches(request, device)) continue;
            if (!device.simulated && !record.node.simulated) return false;
            simulated = true;
          }
  return simulated;
}

bool wants_simulated(const State& state, const Job& job, std::string_view resource) {
  const auto named = [&](const DeviceRequest& wanted) {
    return wanted.model == resource || resource == "gpu";
  };
  for (const TaskGroup& group : job.groups)
    for (const Alternative& alternative : group.any_of)
      if (std::any_of(alternative.resources.devices.begin(), alternative.resources.devices.end(),
                      named))
        return only_simulated(state, job);
  return false;
}

bool capacity_known(const State& state) {
  if (state.synchronised().empty()) return false;
  return std::all_of(state.nodes().begin(), state.nodes().end(), [&](const NodeRecord& record) {
    return state.synchronised().contains(record.node.cluster);
  });
}

namespace {

// The tenant's quota that even one unit of every alternative would exceed.
std::optional<Error> over_quota(const State& state, const Job& job) {
  const auto tenant = state.find_tenant(job.tenant);
  if (!tenant) return std::nullopt;
  for (const auto& quota : state.config().tenants[tenant->value].quota) {
    std::int64_t least = 0;  // of one unit: a task, or the gang
    for (const auto& group : job.groups) {
      std::int64_t cheapest = std::numeric_limits<std::int64_t>::max();
      for (const auto& alternative : group.any_of)
        cheapest = std::min(cheapest, least_amount(state, alternative.resources, quota.name));
      if (job.coupling == Coupling::loose) {
        least = std::max(least, cheapest);
      } else {
        least += cheapest * group.count.min;
      }
    }
    if (least <= quota.count) continue;
    return Error{
        Errc::unsatisfiable,
        fmt::format("job \"{}\" asks for {} at once, but the quota of tenant \"{}\" is {}; "
                    "ask for less, or ask an operator for more",
                    printable(job.name), quota_text(job, quota.name, least), job.tenant,
                    quota_text(job, quota.name, quota.count))};
  }
  return std::nullopt;
}

}  // namespace

// Holds most of the devices asked for; then lacks least; then covers most; then the lowest id.
const Node* best_node(const State& state, const Job& job, const Alternative& alternative) {
  const Resources& each = alternative.resources;
  const Node* best = nullptr;
  std::vector<std::int64_t> best_key;
  for (const auto& record : state.nodes()) {
    const Node& node = record.node;
    if (!eligible(job, alternative, node)) continue;
    std::int64_t matching = 0;
    for (const auto& request : each.devices)
      matching += static_cast<std::int64_t>(
          std::min<std::uint64_t>(matching_shares(request, node), request.count));
    const std::vector<std::int64_t> key = {
        matching, -static_cast<std::int64_t>(shortfalls(each, node).size()),
        each.devices.empty() ? 0 : static_cast<std::int64_t>(node.devices.size()),
        coverage(each, node)};
    if (best == nullptr || key > best_key) best = &node, best_key = key;
  }
  return best;
}

std::optional<std::uint32_t> first_impossible_group(const State& state, const Job& job) {
  for (std::uint32_t g = 0; g < job.groups.size(); ++g)
    if (!job.groups[g].any_of.empty() && !group_fits({state, job, g})) return g;
  return std::nullopt;
}

bool possible(const State& state, const Job& job) {
  return !first_impossible_group(state, job) && !over_quota(state, job);
}

std::optional<Error> impossible(const State& state, const Job& job) {
  const auto position = first_impossible_group(state, job);
  if (!position) return over_quota(state, job);
  const Group group{state, job, *position};
  std::string text = why_not(group, group.tasks().any_of.front());
  const std::string near = nearest_request(state, job);
  if (!near.empty()) text += ". Nearest: " + near;
  const std::size_t others = group.tasks().any_of.size() - 1;
  if (others > 0)
    text += fmt::format(" (of its first alternative; the other {} cannot run either)", others);
  return Error{Errc::unsatisfiable, std::move(text)};
}

}  // namespace busbar::core
