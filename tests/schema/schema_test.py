"""schema_test.py JOBFILE_CHECK ROOT: reader, schema, manual and corpus say the same.

tests/jobfiles/good/*       read and valid by the schema, as are the examples.
tests/jobfiles/bad/*.yaml   refused with exactly the text of the .error file beside; refused by the
                            schema too, unless the file cannot be parsed as YAML at all or begins
                            with "# the schema cannot tell".
docs/job-file.md            every block marked as yaml is read.
docs/job.schema.json and the tables in docs/job-file.md are what the table of fields makes:
  schema_test.py JOBFILE_CHECK ROOT --write   rewrites both, and the .error files
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

CANNOT_TELL = "# the schema cannot tell"
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


def manual_with(text, tables):
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    return head + BEGIN + "\n" + tables + END + tail


class Counter:
    def __init__(self, check):
        self.check, self.count, self.problems = check, 0, []

    def read(self, path, mode=None):
        return run(*([self.check, mode] if mode else [self.check]), str(path))

    def note(self, problem):
        self.problems.append(problem)


def check_published(counter, root, write):
    """The schema and the manual; returns the schema."""
    schema_path, manual_path = root / "docs/job.schema.json", root / "docs/job-file.md"
    schema = run(counter.check, "--schema").stdout
    manual = manual_with(manual_path.read_text(), run(counter.check, "--tables").stdout)
    for path, text in ((schema_path, schema), (manual_path, manual)):
        counter.count += 1
        if write:
            path.write_text(text)
        if not path.exists() or path.read_text() != text:
            counter.note(f"{path} differs from the table of fields; run this test with --write")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL), 1):
        counter.count += 1
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block)
            file.flush()
            read = counter.read(file.name)
        if read.returncode != 0:
            counter.note(f"{manual_path}: yaml block {number} is refused: {read.stdout}")
    return json.loads(schema)


def check_good(counter, path, validator):
    read = counter.read(path)
    if read.returncode != 0:
        return counter.note(f"{path}: the reader refuses it: {read.stdout}")
    for document in json.loads(counter.read(path, "--tree").stdout):
        for error in validator.iter_errors(document):
            counter.note(f"{path}: the schema refuses it: {error.json_path}: "
                         f"{error.message[:300]}")
    return None


def check_bad(counter, path, validator, write):
    read = counter.read(path)
    expected = path.with_suffix(".error")
    if write:
        expected.write_text(read.stdout)
    if read.returncode == 0:
        counter.note(f"{path}: the reader accepts it")
    if not expected.exists() or read.stdout != expected.read_text():
        counter.note(f"{path}: the reader says\n{read.stdout}")
    tree = counter.read(path, "--tree")
    if tree.returncode != 0:
        return
    valid = all(validator.is_valid(document) for document in json.loads(tree.stdout))
    cannot_tell = path.read_text().startswith(CANNOT_TELL)
    if valid and not cannot_tell:
        counter.note(f"{path}: the schema accepts it")
    if not valid and cannot_tell:
        counter.note(f"{path}: the schema refuses it, so remove its first line")


def main():
    counter, root, write = Counter(sys.argv[1]), pathlib.Path(sys.argv[2]), "--write" in sys.argv
    schema = check_published(counter, root, write)
    try:
        import jsonschema
    except ImportError:
        if not counter.problems:
            print("skipped: python3-jsonschema is missing; ./scripts/setup --test installs it")
            return 0
    else:
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        corpus = root / "tests/jobfiles"
        good = sorted([*corpus.glob("good/*"), *(root / "examples").rglob("*.yaml")])
        bad = sorted(corpus.glob("bad/*.yaml"))
        for path in good:
            check_good(counter, path, validator)
        for path in bad:
            check_bad(counter, path, validator, write)
        counter.count += len(good) + len(bad)
    for problem in counter.problems:
        print(problem)
    print(f"{counter.count} checks, {len(counter.problems)} problems")
    return 1 if counter.problems else 0


sys.exit(main())
