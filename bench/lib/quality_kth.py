"""The row `kth` of ./scripts/bench quality; see there."""

import random

import measure
from quality_play import DATA, moved, play

LOG = DATA / "swf" / "KTH-SP2-1996-2.1-cln.swf"
PROCESSORS = 100
EASY_PUBLISHED = 92.6  # Gaussier et al., SC'15, table 1
EASY = {"order": "fcfs", "promises_max": 1}
OURS = {"order": "slowdown", "predict": {"decay": 0.7, "prior": 2.0}, "promises_max": 2,
        "promise": {"heads": False, "within": "240000s", "less_per_width": "1200s"}}
JITTER_S = 300
BOUND = 1.0  # by counting: no job has less; a relaxation over areas says no more on this log


def replay(folder, log, policy):
    """The summary of the log under this policy."""
    (folder / "cluster.yaml").write_text(f"nodes: [{{name: sp2, cores: {PROCESSORS}}}]\n")
    return play(folder, folder / "cluster.yaml", log, {"slice_steps": 10_000_000, **policy})[0]


def rows_of(log):
    """Lines of the log that are jobs, as lists of words."""
    return [line.split() for line in log.read_text().splitlines()
            if line.strip() and not line.startswith(";")]


def jittered(log, seed, path):
    """A copy in which every submission has moved by up to JITTER_S."""
    chance = random.Random(seed)
    rows = rows_of(log)
    for row in rows:
        row[1] = str(max(0, int(row[1]) + chance.randint(-JITTER_S, JITTER_S)))
    rows.sort(key=lambda row: int(row[1]))
    path.write_text("\n".join(" ".join(row) for row in rows) + "\n")
    return path


def run(folder, copies):
    easy = replay(folder, LOG, EASY)
    error = 100 * abs(easy["bsld_mean"] / EASY_PUBLISHED - 1)
    measure.note(f"kth: EASY {easy['bsld_mean']:.2f}, published {EASY_PUBLISHED}: {error:.2f} % "
                 f"off; longest wait {easy['wait_max_s']:.0f} s")
    ours = replay(folder, LOG, OURS)
    measure.note(f"kth: ours {ours['bsld_mean']:.2f}, longest wait {ours['wait_max_s']:.0f} s")
    rows = [{"log": "as it is", "easy": easy, "ours": ours}]
    for seed in range(1, copies + 1):
        log = jittered(LOG, seed, folder / "copy.swf")
        row = {"log": f"jittered, seed {seed}", "easy": replay(folder, log, EASY),
               "ours": replay(folder, log, OURS)}
        rows.append(row)
        measure.note(f"kth: copy {seed} of {copies}: EASY {row['easy']['bsld_mean']:.2f}, "
                     f"ours {row['ours']['bsld_mean']:.2f}, longest wait "
                     f"{row['easy']['wait_max_s']:.0f} and {row['ours']['wait_max_s']:.0f} s")
    sensitivity = {}
    for path in (["predict", "decay"], ["predict", "prior"], ["promise", "within"],
                 ["promise", "less_per_width"]):
        for factor in (0.8, 1.2):
            if path[-1] == "decay":
                factor = min(factor, 1 / OURS["predict"]["decay"])
            told = replay(folder, LOG, moved(OURS, path, factor))
            name = f"{path[-1]} x {factor:.2f}"
            sensitivity[name] = [round(told["bsld_mean"], 2), told["wait_max_s"]]
            measure.note(f"kth: {name}: {told['bsld_mean']:.2f}, {told['wait_max_s']:.0f} s")
    fresh = rows[1:]
    metrics = {"kth_bsld_mean": round(ours["bsld_mean"], 2),
               "kth_bsld_mean_bound": BOUND,
               "kth_wait_max_s": ours["wait_max_s"],
               "kth_baseline_error_pct": round(error, 3),
               "kth_replay_s": round(easy["wall_s"], 2)}
    if fresh:
        metrics["kth_jittered_mean"] = round(
            sum(row["ours"]["bsld_mean"] for row in fresh) / len(fresh), 2)
        metrics["kth_jittered_ratio"] = round(
            sum(row["ours"]["bsld_mean"] for row in fresh) /
            sum(row["easy"]["bsld_mean"] for row in fresh), 4)
    return metrics, rows, {"kth_sensitivity": sensitivity}
