"""./scripts/test: chooses the stages and runs them."""

import argparse
import sys

import stages
import suite


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description="Runs the test stages; prints a table and the counts.")
    parser.add_argument("--full", action="store_true",
                        help="also sanitizers, seeds and fuzzers: what .ci/run runs")
    parser.add_argument("--list", action="store_true", help="list the stages and their budgets")
    parser.add_argument("stage", nargs="*", help="run only these stages, in their usual order")
    options = parser.parse_args()

    every = stages.DEV_STAGES + stages.FULL_STAGES
    if options.list:
        for stage in every:
            print(f"{stage.name:<12}{stage.group:<18}{stage.budget_s:>5} s")
        return 0
    chosen = every if options.full else stages.DEV_STAGES
    if options.stage:
        unknown = set(options.stage) - {stage.name for stage in every}
        if unknown:
            parser.error(f"no stage {', '.join(sorted(unknown))}; "
                         f"there are {', '.join(stage.name for stage in every)}")
        chosen = [stage for stage in every if stage.name in options.stage]
    if options.full:
        stages.SETUP_SET = "--full"
    elsewhere = stages.ELSEWHERE if options.full else []
    return suite.run_all(chosen, stages.GROUP_BUDGETS_S, elsewhere)


if __name__ == "__main__":
    sys.exit(main())
