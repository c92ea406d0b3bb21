"""The row `openb` of ./scripts/bench quality; see there."""

import collections
import concurrent.futures
import csv

import fill_bound
import measure
from quality_play import DATA, moved, play

FOLDER = DATA / "fgd"
NODES = FOLDER / "openb_node_list_gpu_node.csv"
VARIANTS = ["default", "gpushare40", "gpushare60", "cpu050", "cpu100", "multigpu20", "multigpu30",
            "gpuspec10", "gpuspec20"]
MARKS = ["95", "100", "130"]
POPULAR = 0.95  # of the pods: typical requests as the published policy takes them
OURS = {"pack": "potential",
        "potential": {"keep": 0.06, "several": 4.7, "price": 0.3, "pressure_max": 4}}
SENSITIVITY_SEEDS = "42-44"
SENSITIVITY_VARIANTS = ["default", "gpuspec20", "multigpu30"]


def pods_of(variant):
    return FOLDER / f"openb_pod_list_{variant}.csv"


def shapes_of(path):
    """How often each (cpu_milli, gpu_milli, num_gpu, models) is asked for, the most often first."""
    counts = collections.Counter()
    with open(path) as file:
        for pod in csv.DictReader(file):
            gpus = int(pod["num_gpu"])
            models = tuple(name for name in (pod.get("gpu_spec") or "").split("|") if name)
            counts[(int(pod["cpu_milli"]), int(pod["gpu_milli"]) if gpus else 0, gpus,
                    models)] += 1
    return sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)


def demand_of(shapes, part):
    """The most popular shapes that make up this part of the pods, as `demand` of a policy."""
    total = sum(count for _, count in shapes)
    demand, covered = [], 0
    for (cpu, share, gpus, models), count in shapes:
        if covered >= part * total:
            break
        covered += count
        request = {"weight": count, "cores": cpu / 1000}
        if gpus:
            request.update({"gpu": share / 1000} if share < 1000 else {"gpus": gpus})
        if models:
            request["models"] = list(models)
        demand.append(request)
    return demand


def fill(folder, name, variant, policy, seeds):
    place = folder / f"{name}-{variant}"
    place.mkdir(exist_ok=True)
    told = play(place, NODES, pods_of(variant), {"slice_steps": 10_000_000, "reserve": False,
                                                 **policy}, "--mode", "fill", "--seeds", seeds)
    marks = {mark: sum(each["gpu_allocated_pct_at"][mark] for each in told) / len(told)
             for mark in MARKS}
    placements = sum(each["jobs"] for each in told)
    marks["us_per_arrival"] = 1e6 * sum(each["wall_s"] for each in told) / placements
    return marks


def published():
    """{(variant, mark): per cent} of the published best."""
    found = {}
    with open(DATA / "published" / "fgd_alloc_summary.csv") as file:
        for row in csv.DictReader(file):
            if row["policy"] == "FGD":
                for mark in MARKS:
                    found[row["workload"], mark] = float(row[f"alloc_pct_mean_at_{mark}"])
    return found


def ours_of(variant, policy=None):
    return {**(policy or OURS), "demand": demand_of(shapes_of(pods_of(variant)), 1)}


def one_variant(folder, variant, seeds):
    theirs = {"pack": "fragmentation", "demand": demand_of(shapes_of(pods_of(variant)), POPULAR)}
    return {"variant": variant,
            "fragmentation": fill(folder, "fragmentation", variant, theirs, seeds),
            "ours": fill(folder, "ours", variant, ours_of(variant), seeds),
            "bound": {mark: fill_bound.bound(NODES, pods_of(variant), int(mark))
                      for mark in ("100", "130")}}


def sensitivity(folder, pool):
    jobs = {}
    for name in OURS["potential"]:
        for factor in (0.8, 1.2):
            for variant in SENSITIVITY_VARIANTS:
                policy = moved(OURS, ["potential", name], factor)
                jobs[name, factor, variant] = pool.submit(
                    fill, folder, f"{name}{factor}", variant, ours_of(variant, policy),
                    SENSITIVITY_SEEDS)
    found = {}
    for (name, factor, variant), job in jobs.items():
        marks = job.result()
        found[f"{name} x {factor} {variant}"] = [round(marks["100"], 2), round(marks["130"], 2)]
        measure.note(f"openb: {name} x {factor}, {variant}: {marks['100']:.2f} at 100, "
                     f"{marks['130']:.2f} at 130")
    return found


def run(folder, seeds, variants):
    known = published()
    metrics, rows, better = {}, [], []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for row in pool.map(lambda variant: one_variant(folder, variant, seeds), variants):
            rows.append(row)
            variant, ours = row["variant"], row["ours"]
            errors = []
            for mark in ("100", "130"):
                error = abs(row["fragmentation"][mark] - known[variant, mark])
                errors.append(error)
                better.append(ours[mark] - known[variant, mark])
                metrics[f"openb_{variant}_at_{mark}"] = round(ours[mark], 2)
                metrics[f"openb_{variant}_at_{mark}_bound"] = round(row["bound"][mark], 2)
                metrics[f"openb_{variant}_at_{mark}_baseline_error_pct"] = round(error, 3)
            measure.note(
                f"openb {variant}: fragmentation " +
                ", ".join(f"{row['fragmentation'][m]:.2f} (published {known[variant, m]:.2f})"
                          for m in MARKS) +
                "; ours " + ", ".join(f"{ours[m]:.2f}" for m in MARKS) +
                f" at {', '.join(MARKS)} % arrived; bound {row['bound']['100']:.2f} and "
                f"{row['bound']['130']:.2f} at 100 and 130; "
                f"{ours['us_per_arrival']:.0f} us an arrival")
        remarks = {"openb_sensitivity": sensitivity(folder, pool)}
    metrics["openb_better_than_published_mean"] = round(sum(better) / len(better), 3)
    metrics["openb_better_than_published_min"] = round(min(better), 3)
    metrics["openb_us_per_arrival"] = round(
        sum(row["ours"]["us_per_arrival"] for row in rows) / len(rows), 1)
    return metrics, rows, remarks
