"""./scripts/campaign: many seeds, many kills and long fuzzing, outside any budget."""

import datetime
import platform
import subprocess
import sys

import stages
import suite

NIGHT_S = 24 * 3600
BATCH = 500
NOT_ASKED = "not asked for"
SHIM_KILLS_MAX = 200


def run_seeds(context, program, first, seeds):
    total = suite.Counts()
    for start in range(first, first + seeds, BATCH):
        count = min(BATCH, first + seeds - start)
        code, text = context.command(stages.sim_command(program, start, count))
        total.add(suite.count_text(text, code))
        context.say(f"seeds up to {start + count - 1}, each twice: {total.passed} passed, "
                    f"{total.failed} failed")
    return total


def run_kills(context, build, kills):
    environment = {"BUSBAR_BUILD": build, "BUSBAR_BIN": build / "bin", "BUSBAR_KILLS": kills}
    total = suite.Counts()
    of_shim = {**environment, "BUSBAR_KILLS": min(kills, SHIM_KILLS_MAX)}
    for words, variables in (
            ([stages.KILL_TEST], environment),
            ([stages.FAULTS_TEST, "alone_the_supervisor_killed_at_random_moments"], of_shim)):
        code, text = context.command([stages.PYTHON, *words], env=variables)
        for line in text.strip().splitlines()[-12:]:
            context.say(line)
        total.add(suite.count_text(text, code))
    return total


def keep(chosen, commit, code):
    """What the stages said, as a file of bench/results: the raw result of a campaign."""
    now = datetime.datetime.now(datetime.timezone.utc)
    lines = [f"campaign local, commit {commit}, {stages.JOBS} cores, {platform.release()}, "
             f"{'good' if code == 0 else 'FAILED'}"]
    for stage in chosen:
        reason = stage.absent()
        log = suite.LOGS / f"{stage.name}.log"
        text = log.read_text(errors="replace") if log.exists() and not reason else ""
        lines += [f"{stage.name}: {reason}"] if reason else []
        lines += [f"{stage.name}: {line[2:]}" for line in text.splitlines()
                  if line.startswith("# ")]
    path = suite.ROOT / "bench" / "results" / f"campaign-{now:%Y%m%d-%H%M%S}.txt"
    path.write_text("\n".join(lines) + "\n")
    print(f"raw result: {path.relative_to(suite.ROOT)}")


def main():
    preset, first, seeds, kills, fuzz_s = sys.argv[1], *(int(word) for word in sys.argv[2:6])
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=suite.ROOT,
                            capture_output=True, text=True, check=False).stdout.strip()
    subprocess.run(["./scripts/build", preset, "all"], cwd=suite.ROOT, check=True)
    suite.LOGS = suite.ROOT / "build" / "campaign"
    build = suite.ROOT / "build" / preset
    program = stages.sim_program(build)

    def absent(wanted, there, why):
        return lambda: NOT_ASKED if wanted == 0 else None if there else why

    chosen = [
        suite.Stage("seeds", "campaign", NIGHT_S,
                    lambda context: run_seeds(context, program, first, seeds),
                    absent=absent(seeds, program, "no simulation runner")),
        suite.Stage("kills", "campaign", NIGHT_S,
                    lambda context: run_kills(context, build, kills),
                    absent=absent(kills, stages.KILL_TEST.exists(), "no kill test")),
        suite.Stage("fuzz", "campaign", NIGHT_S,
                    lambda context: stages.fuzz(context, fuzz_s),
                    absent=absent(fuzz_s, True, "")),
    ]
    code = suite.run_all(chosen, {"campaign": 3 * NIGHT_S}, [])
    if any(stage.absent() not in (None, NOT_ASKED) for stage in chosen):
        code = 1
    keep(chosen, commit, code)
    return code


if __name__ == "__main__":
    sys.exit(main())
