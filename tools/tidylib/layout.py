"""Rules about how sources look: clang-format and line length."""

import concurrent.futures
import os
import subprocess

from tidylib.tree import CPP, Rule

FORMATTER = "clang-format-16"
COLUMNS_MAX = 100
BATCH = 12


def check_format(tree):
    paths = tree.under("src", "tests", "bench", "cmake", suffixes=CPP)
    batches = [paths[at:at + BATCH] for at in range(0, len(paths), BATCH)]

    def run(batch):
        return subprocess.run([FORMATTER, "--dry-run", "--ferror-limit=1", *batch], cwd=tree.root,
                              capture_output=True, text=True, check=False).stderr

    problems = []
    try:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for text in pool.map(run, batches):
                problems += [f"{line.split(': ', 1)[0]}: not as {FORMATTER} writes it"
                             for line in text.splitlines() if "clang-format-violations" in line]
    except FileNotFoundError:
        return [f"{FORMATTER} is not installed"]
    return problems


def check_columns(tree):
    problems = []
    for path in tree.paths:
        if path.endswith(CPP) or tree.is_script(path):
            problems += [f"{path}:{number}: {len(line)} columns"
                         for number, line in enumerate(tree.lines(path), 1)
                         if len(line) > COLUMNS_MAX]
    return problems


RULES = [
    Rule("format", check_format,
         "one layout for all means that a diff shows only what was meant",
         f"run `{FORMATTER} -i FILE` on your files; ./scripts/setup --test installs it"),
    Rule("columns", check_columns,
         f"two files side by side fit on a screen with {COLUMNS_MAX} columns",
         "break the line; a long line often hides a missing name"),
]
