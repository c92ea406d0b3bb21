#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/units.hpp"
#include "lab/comparison.hpp"
#include "lab/journal_tool.hpp"
#include "lab/sim_tool.hpp"

namespace busbar::lab {
namespace {

// Of summary.json, in its order; what was measured of the program itself is not compared.
constexpr std::string_view keys[] = {"jobs",
                                     "completed",
                                     "refused",
                                     "makespan_s",
                                     "wait_mean_s",
                                     "wait_p99_s",
                                     "wait_max_s",
                                     "jct_mean_s",
                                     "jct_p99_s",
                                     "bsld_mean",
                                     "utilization",
                                     "gpu_allocated_pct",
                                     "gpu_hours_per_job",
                                     "deadline_met_ratio",
                                     "preemptions",
                                     "restarts",
                                     "lost_work_gpu_hours",
                                     "fairness_jain",
                                     "finish_time_fairness_max",
                                     "energy_kwh",
                                     "carbon_g",
                                     "cost"};

constexpr std::size_t folders_max = 16;

std::string short_number(double value) {
  const double size = std::fabs(value);
  return size >= 1e4 && size < 1e12 ? fmt::format("{:.0f}", value) : fmt::format("{:.5g}", value);
}

std::string with_half(const Estimate& estimate) {
  std::string text = short_number(estimate.mean);
  if (estimate.half)
    text += *estimate.half < 10 ? fmt::format(" ±{:.2g}", *estimate.half)
                                : fmt::format(" ±{:.0f}", *estimate.half);
  return text;
}

// "-12.3 % *", the star where the interval does not hold 0.
std::string change_text(const Estimate& before, const Estimate& change) {
  const bool sure = change.half && std::fabs(change.mean) > *change.half;
  if (before.mean == 0) return fmt::format("{:+.3g}{}", change.mean, sure ? " *" : "");
  std::string text = fmt::format("{:+.1f}", 100 * change.mean / before.mean);
  if (change.half) text += fmt::format(" ±{:.1f}", 100 * *change.half / std::fabs(before.mean));
  return text + " %" + (sure ? " *" : "");
}

using Row = std::vector<std::string>;

// As many columns on the screen as characters: "±" is one.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void print_rows(const std::vector<Row>& rows, std::ostream& out) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string gap(widths[c] - width_of(row[c]), ' ');
      line += c == 0 ? row[c] + gap : "  " + gap + row[c];
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
  }
}

void print_table(const std::vector<Runs>& all, std::ostream& out) {
  std::vector<Row> rows{{""}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    rows.front().push_back(all[i].name);
    if (i > 0) rows.front().push_back("change");
  }
  for (const std::string_view key : keys) {
    Row row{std::string(key)};
    bool any = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto figure = figure_of(all[i], row.front());
      any = any || figure;
      row.push_back(figure ? with_half(*figure) : "-");
      if (i == 0) continue;
      const auto change = change_of(all[0], all[i], row.front());
      row.push_back(change ? change_text(*figure_of(all[0], row.front()), *change) : "-");
    }
    if (any) rows.push_back(std::move(row));
  }
  print_rows(rows, out);
}

std::string bars(const Curve& curve, double top) {
  static constexpr std::string_view levels[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string text;
  for (const double value : curve) {
    const double part = top > 0 ? value / top : 0;
    const auto level = static_cast<std::size_t>(std::ceil(part * 8 - 1e-9));
    text += levels[std::min<std::size_t>(level, 8)];
  }
  return text;
}

void print_curves(const std::vector<Runs>& all, const char* what, Curve Runs::*of,
                  std::ostream& out) {
  double top = 0, end_s = 0;
  std::size_t width = 0;
  for (const Runs& runs : all) {
    top = std::max(top, *std::max_element((runs.*of).begin(), (runs.*of).end()));
    end_s = std::max(end_s, runs.end_s);
    width = std::max(width, runs.name.size());
  }
  out << fmt::format("\n{}, from 0 to {} over {}\n", what, short_number(top),
                     format_span(Span(std::llround(end_s) * 1000)));
  for (const Runs& runs : all)
    out << fmt::format("{:<{}} |{}|\n", runs.name, width, bars(runs.*of, top));
}

nlohmann::ordered_json json_of(const std::optional<Estimate>& estimate) {
  if (!estimate) return nullptr;
  nlohmann::ordered_json json{{"mean", estimate->mean}, {"half", nullptr}};
  if (estimate->half) json["half"] = *estimate->half;
  return json;
}

void print_json(const std::vector<Runs>& all, std::ostream& out) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Runs& runs : all) {
    nlohmann::ordered_json figures, changes;
    for (const std::string_view key : keys) {
      const std::string name(key);
      figures[name] = json_of(figure_of(runs, name));
      changes[name] = json_of(change_of(all[0], runs, name));
    }
    list.push_back({{"folder", runs.name},
                    {"runs", runs.runs.size()},
                    {"figures", std::move(figures)},
                    {"changes", std::move(changes)},
                    {"end_s", runs.end_s},
                    {"cores_busy", runs.cores_busy},
                    {"waiting", runs.waiting}});
  }
  out << nlohmann::ordered_json{{"runs", std::move(list)}}.dump(
             -1, ' ', false, nlohmann::json::error_handler_t::replace)
      << "\n";
}

Result<std::vector<Runs>> read_all(const std::vector<std::string>& folders) {
  if (folders.size() < 2 || folders.size() > folders_max)
    return {Errc::invalid,
            fmt::format("sim compare: name from 2 to {} folders of `sim run --out`", folders_max)};
  std::vector<Runs> all;
  for (const std::string& folder : folders) {
    BUSBAR_TRY(runs, read_runs(folder));
    all.push_back(std::move(runs));
  }
  BUSBAR_TRY_OK(read_curves(all));
  return all;
}

}  // namespace

int compare_runs(const std::vector<std::string>& folders, bool json, std::ostream& out,
                 std::ostream& trouble) {
  const auto all = read_all(folders);
  if (!all.ok()) {
    trouble << "busbar: " << all.error().text << "\n";
    return exit_usage;
  }
  if (json) {
    print_json(*all, out);
    return exit_fine;
  }
  print_table(*all, out);
  print_curves(*all, "cores busy", &Runs::cores_busy, out);
  print_curves(*all, "units waiting", &Runs::waiting, out);
  out << "\n± is a 95 % interval; * marks a change whose interval does not hold 0\n";
  return exit_fine;
}

}  // namespace busbar::lab
