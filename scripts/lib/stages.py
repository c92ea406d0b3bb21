"""The stages of ./scripts/test, in order, with their budgets in seconds on 2 cores, cold."""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess

import suite
from suite import LOGS, ROOT, Counts, Stage
from suite import count_gtest, count_junit, count_text

# With what is elsewhere still, 65 minutes.
GROUP_BUDGETS_S = {"dev": 1500, "sanitizers": 720, "seeds and fuzz": 480, "virtual machine": 240}
ELSEWHERE = [
    ("Slurm", 360, "not part of this version"),
    ("Kubernetes", 600, "not part of this version"),
]
JOBS = os.environ.get("BUSBAR_JOBS") or str(os.cpu_count() or 2)
DEV = ROOT / "build" / "dev"
# The system's interpreter, whose packages scripts/setup installs, before any other in PATH.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
KILL_TEST = ROOT / "tests" / "e2e" / "kill_test.py"
FAULTS_TEST = ROOT / "tests" / "e2e" / "faults_test.py"
# Long tests of tests/ carry one of these labels and have a stage of their own.
STAGE_LABELS = "^(docs|tidy|e2e|long)$"
ASAN_LIBRARIES = ["base", "model", "match", "core", "store", "sim", "shim", "engine_local"]
FUZZ_SEEDS = {name: ["tests/jobfiles/good", "tests/jobfiles/bad", "examples"]
              for name in ("yaml", "job_file")}
TSAN_LIBRARIES = ["store", "api", "daemon"]
PLANTED = {  # programs of tests/sanitizers and what must be said of them
    "asan": {"planted_overflow": "heap-buffer-overflow",
             "planted_use_after_free": "heap-use-after-free",
             "planted_leak": "LeakSanitizer", "planted_shift": "shift exponent"},
    "tsan": {"planted_race": "data race"},
}
SETUP_SET = "--test"  # ./scripts/test --full takes all
FUZZ_SHARE_S_MAX = 10  # a look at every commit; scripts/campaign and nights fuzz for long


def run_setup(context):
    code, text = context.command(["./scripts/setup", SETUP_SET])
    return count_text(text, code)


def run_build(context):
    code, text = context.command(["./scripts/build", "dev", "all"])
    return count_text(text, code)


def run_tidy(context):
    code, text = context.command([PYTHON, "tools/tidy", "--build", DEV])
    return count_text(text, code)


def run_ctest(context, *selection):
    report = LOGS / f"{context.stage.name}.xml"
    report.unlink(missing_ok=True)
    code, text = context.command([
        "ctest", "--test-dir", DEV, "-j", JOBS, "--output-on-failure", "--no-tests=error",
        "--test-output-size-passed", "1000000", "--output-junit", report, *selection])
    if not report.exists():
        return count_text(text, code or 1)
    counts = count_junit(report)
    if code != 0 and counts.failed == 0:
        counts.failed = 1
    return counts


def run_unit(context):
    return run_ctest(context, "-LE", STAGE_LABELS)


def run_docs(context):
    return run_ctest(context, "-L", "^docs$")


def docs_absent():
    listing = subprocess.run(["ctest", "--test-dir", DEV, "-N", "-L", "^docs$"], cwd=ROOT,
                             capture_output=True, text=True, check=False).stdout
    return "no checks with the label docs" if "Total Tests: 0" in listing else None


def sim_program(build):
    for name in ("busbar-sim", "sim_seeds"):
        for folder in ("bin", "tests/sim", "src/sim"):
            if (build / folder / name).exists():
                return build / folder / name
    return None


def sim_command(program, first_seed, seeds):
    """Runs each seed twice and compares the hashes."""
    return [program, "--first-seed", str(first_seed), "--seeds", str(seeds), "--twice"]


def sim_absent():
    return None if sim_program(DEV) else "the simulation runner is not built"


def run_sim(context):
    code, text = context.command(sim_command(sim_program(DEV), 1, 100))
    return count_text(text, code)


def e2e_programs():
    folder = ROOT / "tests" / "e2e"
    return sorted(folder.glob("*_test.py")) + sorted(folder.glob("*_test.sh"))


def e2e_absent():
    return None if e2e_programs() else "no programs in tests/e2e"


def run_e2e(context):
    total = Counts()
    environment = {"BUSBAR_BUILD": DEV, "BUSBAR_BIN": DEV / "bin"}
    for program in e2e_programs():
        interpreter = PYTHON if program.suffix == ".py" else "bash"
        context.say(program.name)
        code, text = context.command([interpreter, program], env=environment)
        total.add(count_text(text, code))
    return total


def sanitizer_tests(preset, libraries):
    """The test programs that exist among <library>_test, after configuring the preset."""
    listing = subprocess.run(["ninja", "-C", str(ROOT / "build" / preset), "-t", "targets", "all"],
                             capture_output=True, text=True, check=False).stdout
    targets = {line.split(":")[0] for line in listing.splitlines()}
    return [f"{name}_test" for name in libraries if f"{name}_test" in targets]


def sanitizer_options(reports):
    """What a program or any child of it finds becomes a file of `reports`."""
    found = f"log_path={reports}/found"
    return {
        "ASAN_OPTIONS": f"detect_leaks=1:strict_string_checks=1:{found}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:{found}",
        "TSAN_OPTIONS": f"halt_on_error=1:{found}",
        "GTEST_OUTPUT": f"xml:{reports}/",
        "RC_PARAMS": "max_success=30",
    }


def run_planted(context, preset):
    """Faults that were put there must be found, or a clean run of the others means nothing."""
    total = Counts()
    for name, words in PLANTED[preset].items():
        program = ROOT / "build" / preset / "tests" / "sanitizers" / name
        reports = LOGS / preset / name
        reports.mkdir()
        if program.exists():
            context.command([program], env=sanitizer_options(reports))
        found = any(words in report.read_text(errors="replace")
                    for report in reports.glob("found.*"))
        total.add(Counts(passed=int(found), failed=int(not found)))
        if not found:
            context.say(f"the fault of {name} was not found ({words})")
    return total


def run_sanitizer(context, preset, libraries):
    """Builds the libraries' tests in one go, then runs them side by side: many only wait."""
    code, text = context.command(["cmake", "--preset", preset])
    if code != 0:
        return count_text(text, code)
    build = ROOT / "build" / preset
    targets = sanitizer_tests(preset, libraries)
    code, text = context.command(["ninja", "-C", build, "-k", "0", "-j", JOBS, *targets, "planted"])
    total = Counts(failed=int(code != 0))
    context.say(f"built {', '.join(targets)}")
    reports = LOGS / preset
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    reports.chmod(0o777)  # some tests switch to another user
    code, text = context.command(
        ["ctest", "--test-dir", build, "-j", JOBS, "--output-on-failure", "--no-tests=error",
         "-R", f"^({'|'.join(targets)})$"], env=sanitizer_options(reports))
    for report in sorted(reports.glob("*.xml")):
        total.add(count_gtest(report))
    for found in sorted(reports.glob("found.*")):
        total.failed += 1
        context.say(f"a finding: {found}")
        context.log.write(found.read_text(errors="replace"))
    if code != 0 and total.failed == 0:
        total.failed = 1
    total.add(run_planted(context, preset))
    return total


def run_asan(context):
    return run_sanitizer(context, "asan", ASAN_LIBRARIES)


def run_tsan(context):
    return run_sanitizer(context, "tsan", TSAN_LIBRARIES)


def first_seed():
    """Fresh at every commit, the same when a commit is run again."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True,
                          check=False).stdout
    return int(hashlib.sha256(head.encode()).hexdigest()[:8], 16)


def run_seeds(context):
    """New seeds until two thirds of the budget are used, in batches of 50."""
    total = Counts()
    seed = first_seed()
    while context.elapsed_s() < 0.66 * context.stage.budget_s:
        code, text = context.command(sim_command(sim_program(DEV), seed, 50))
        total.add(count_text(text, code))
        if total.failed:
            context.say(f"a seed from {seed} on failed; the log names it")
            break
        seed += 50
    return total


def fuzz_absent():
    if not list((ROOT / "tests" / "fuzz").glob("*_fuzz.cpp")):
        return "no fuzzers in tests/fuzz"
    return None


def fuzz_inputs(name, found):
    """Folders to start from, the first of which receives what is found; and the dictionary."""
    kept = f"tests/fuzz/corpus/{name}"
    seeds = [ROOT / folder for folder in [kept, *FUZZ_SEEDS.get(name, [])]]
    words = ROOT / "tests" / "fuzz" / f"{name}.dict"
    return [found, *(seed for seed in seeds if seed.is_dir()),
            *([f"-dict={words}"] if words.exists() else [])]


def fuzz_one(context, program, share_s):
    found = suite.LOGS / "fuzz" / program.name
    found.mkdir(parents=True, exist_ok=True)
    code, text = context.command([
        program, f"-max_total_time={share_s}", "-max_len=8192", f"-seed={first_seed()}",
        f"-artifact_prefix={found}/", *fuzz_inputs(program.name.removesuffix("_fuzz"), found)])
    context.say(f"{program.name}: " + (text.strip().splitlines() or ["silent"])[-1])
    return count_text(text, code)


def fuzz(context, share_s_max):
    """Builds the fuzzers and runs one on each core; each gets an equal share of what is left."""
    code, text = context.command(["./scripts/build", "fuzz", "fuzzers"])
    if code != 0:
        return count_text(text, code)
    total = Counts()
    programs = sorted(path for path in (ROOT / "build" / "fuzz" / "tests" / "fuzz").glob("*_fuzz")
                      if path.is_file() and os.access(path, os.X_OK))
    rounds = -(-len(programs) // int(JOBS))
    share_s = int((context.left_s() - 0.1 * context.stage.budget_s) / rounds)
    share_s = min(max(3, share_s), share_s_max)
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        for counts in pool.map(lambda program: fuzz_one(context, program, share_s), programs):
            total.add(counts)
    return total


def run_fuzz(context):
    return fuzz(context, FUZZ_SHARE_S_MAX)


def demo_absent():
    return None if os.path.exists("/usr/bin/lmp") else "no LAMMPS: ./scripts/setup --demo"


def run_demo(context):
    """The demo on the dev build: every claim it makes is checked."""
    code, text = context.command([PYTHON, "scripts/lib/demo.py"], env={"BUSBAR_BIN": DEV / "bin"})
    return count_text(text, code)


def run_vm(context):
    total = Counts()
    for name in ("vm_test", "service_test"):
        code, text = context.command([PYTHON, f"tests/vm/{name}.py"], env={"BUSBAR_BUILD": DEV})
        if text.startswith("skipped:"):
            context.say(text.strip())
            total.add(Counts(skipped=1))
        else:
            total.add(count_text(text, code))
    return total


DEV_STAGES = [
    Stage("setup", "dev", 180, run_setup, required=True),
    Stage("build", "dev", 800, run_build, required=True),
    Stage("tidy", "dev", 30, run_tidy),
    Stage("unit", "dev", 130, run_unit),
    Stage("docs", "dev", 10, run_docs, absent=docs_absent),
    Stage("sim", "dev", 50, run_sim, absent=sim_absent),
    Stage("e2e", "dev", 180, run_e2e, absent=e2e_absent),
]
FULL_STAGES = [
    Stage("demo", "dev", 120, run_demo, absent=demo_absent),
    Stage("asan", "sanitizers", 430, run_asan),
    Stage("tsan", "sanitizers", 290, run_tsan),
    Stage("seeds", "seeds and fuzz", 150, run_seeds, absent=sim_absent),
    Stage("fuzz", "seeds and fuzz", 330, run_fuzz, absent=fuzz_absent),
    Stage("vm", "virtual machine", 240, run_vm),
]
