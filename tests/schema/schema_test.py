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


def main():
    check, root = sys.argv[1], pathlib.Path(sys.argv[2])
    write = "--write" in sys.argv
    problems, counted = [], 0

    schema_path, manual_path = root / "docs/job.schema.json", root / "docs/job-file.md"
    schema_text = run(check, "--schema").stdout
    manual_text = manual_with(manual_path.read_text(), run(check, "--tables").stdout)
    if write:
        schema_path.write_text(schema_text)
        manual_path.write_text(manual_text)
    for path, text in ((schema_path, schema_text), (manual_path, manual_text)):
        counted += 1
        if not path.exists() or path.read_text() != text:
            problems.append(f"{path} differs from the table of fields; run this test with --write")

    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", manual_text, re.DOTALL), 1):
        counted += 1
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block)
            file.flush()
            read = run(check, file.name)
        if read.returncode != 0:
            problems.append(f"{manual_path}: yaml block {number} is refused: {read.stdout}")

    try:
        import jsonschema
    except ImportError:
        print("skipped: python3-jsonschema is not installed; ./scripts/setup --test installs it")
        return 0
    schema = json.loads(schema_text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    corpus = root / "tests/jobfiles"
    good = sorted([*corpus.glob("good/*"), *(root / "examples").rglob("*.yaml")])
    for path in good:
        counted += 1
        read = run(check, str(path))
        if read.returncode != 0:
            problems.append(f"{path}: the reader refuses it: {read.stdout}")
            continue
        for document in json.loads(run(check, "--tree", str(path)).stdout):
            for error in validator.iter_errors(document):
                deepest = jsonschema.exceptions.best_match([error])
                problems.append(f"{path}: the schema refuses it: {deepest.json_path}: "
                                f"{deepest.message[:200]}")

    for path in sorted(corpus.glob("bad/*.yaml")):
        counted += 1
        read = run(check, str(path))
        expected = path.with_suffix(".error")
        if write:
            expected.write_text(read.stdout)
        if read.returncode == 0:
            problems.append(f"{path}: the reader accepts it")
        if not expected.exists() or read.stdout != expected.read_text():
            problems.append(f"{path}: the reader says\n{read.stdout}")
        tree = run(check, "--tree", str(path))
        if tree.returncode != 0:
            continue
        valid = all(validator.is_valid(document) for document in json.loads(tree.stdout))
        cannot_tell = path.read_text().startswith(CANNOT_TELL)
        if valid and not cannot_tell:
            problems.append(f"{path}: the schema accepts it")
        if not valid and cannot_tell:
            problems.append(f"{path}: the schema refuses it, so remove its first line")

    for problem in problems:
        print(problem)
    print(f"{counted} checks, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
