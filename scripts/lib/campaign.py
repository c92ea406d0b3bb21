"""./scripts/campaign: many seeds, many kills and long fuzzing, outside any budget."""

import subprocess
import sys

import stages
import suite

NIGHT_S = 24 * 3600
BATCH = 500


def run_seeds(context, program, first, seeds):
    total = suite.Counts()
    for start in range(first, first + seeds, BATCH):
        count = min(BATCH, first + seeds - start)
        code, text = context.command(stages.sim_command(program, start, count))
        total.add(suite.count_text(text, code))
        context.say(f"seeds up to {start + count - 1}: {total.passed} passed, "
                    f"{total.failed} failed")
    return total


def run_kills(context, build, kills):
    environment = {"BUSBAR_BUILD": build, "BUSBAR_BIN": build / "bin", "BUSBAR_KILLS": kills}
    code, text = context.command([stages.PYTHON, stages.KILL_TEST], env=environment)
    return suite.count_text(text, code)


def main():
    preset, first, seeds, kills, fuzz_s = sys.argv[1], *(int(word) for word in sys.argv[2:6])
    subprocess.run(["./scripts/build", preset, "all"], cwd=suite.ROOT, check=True)
    suite.LOGS = suite.ROOT / "build" / "campaign"
    build = suite.ROOT / "build" / preset
    program = stages.sim_program(build)
    chosen = [
        suite.Stage("seeds", "campaign", NIGHT_S,
                    lambda context: run_seeds(context, program, first, seeds),
                    absent=lambda: None if program else "no simulation runner"),
        suite.Stage("kills", "campaign", NIGHT_S,
                    lambda context: run_kills(context, build, kills),
                    absent=lambda: None if stages.KILL_TEST.exists() else "no kill test"),
        suite.Stage("fuzz", "campaign", NIGHT_S,
                    lambda context: stages.fuzz(context, fuzz_s),
                    absent=lambda: None if fuzz_s > 0 else "not asked for"),
    ]
    return suite.run_all(chosen, {"campaign": 3 * NIGHT_S}, [])


if __name__ == "__main__":
    sys.exit(main())
