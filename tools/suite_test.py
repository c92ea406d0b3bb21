#!/usr/bin/env python3
"""Specification of the stage engine behind ./scripts/test (scripts/lib/suite.py)."""

import contextlib
import io
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts" / "lib"))
import suite  # noqa: E402

JUNIT = """<testsuite>
<testcase name="a" status="run"><system-out>fine</system-out></testcase>
<testcase name="b" status="fail"><failure/><system-out>oops</system-out></testcase>
<testcase name="c" status="run"><system-out>x\nRan 8 tests in 0.1s\n\nOK</system-out></testcase>
<testcase name="d" status="disabled"><system-out/></testcase>
<testcase name="e" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>
<testcase name="f" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>"""
GTEST = """<testsuites><testsuite>
<testcase name="a" status="run"/>
<testcase name="b" status="run"><failure message="no"/></testcase>
<testcase name="c" status="notrun"/>
<testcase name="d" status="run"><skipped message="no root"/></testcase>
</testsuite></testsuites>"""


def shell(text):
    def run(context):
        code, output = context.command(["bash", "-c", text])
        return suite.count_text(output, code)
    return run


class Engine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        suite.LOGS, suite.ROOT = pathlib.Path(self.folder.name), pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def run_all(self, *stages, budget_s=100, elsewhere=()):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = suite.run_all(stages, {"g": budget_s}, elsewhere)
        return code, output.getvalue().strip().splitlines()

    def test_counts_a_program_by_its_own_summary(self):
        rows = [("x\n12 passed, 0 failed\n", 0, (12, 0)), ("3 passed, 2 failed", 1, (3, 2)),
                ("nothing said", 0, (1, 0)), ("nothing said", 1, (0, 1)),
                ("5 passed, 0 failed", 1, (5, 1)), ("Ran 4 tests in 1s\nFAILED (failures=1)", 1,
                                                    (3, 1))]
        for text, code, wanted in rows:
            counts = suite.count_text(text, code)
            self.assertEqual((counts.passed, counts.failed), wanted, text)

    def test_counts_reports(self):
        path = pathlib.Path(self.folder.name) / "report.xml"
        for text, count, wanted in ((JUNIT, suite.count_junit, (9, 2, 1)),
                                    (GTEST, suite.count_gtest, (1, 1, 1))):
            path.write_text(text)
            counts = count(path)
            self.assertEqual((counts.passed, counts.failed, counts.skipped), wanted)

    def test_the_last_line_is_the_sum_of_all_stages(self):
        code, lines = self.run_all(suite.Stage("one", "g", 9, shell("echo 5 passed, 0 failed")),
                                   suite.Stage("two", "g", 9, shell("true")))
        self.assertEqual((code, lines[-1]), (0, "6 passed, 0 failed"))

    def test_a_stage_over_its_budget_fails(self):
        code, lines = self.run_all(suite.Stage("slow", "g", 0.1, shell("sleep 0.5")))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertTrue(any("over budget" in line for line in lines))

    def test_a_group_over_its_budget_fails(self):
        code, lines = self.run_all(suite.Stage("slow", "g", 9, shell("sleep 0.5")), budget_s=0.1)
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed"))

    def test_a_hanging_command_is_stopped_with_its_children(self):
        def run(context):
            context.stop_at = time.monotonic() + 0.3
            return shell("sleep 300 & sleep 300")(context)
        code, lines = self.run_all(suite.Stage("hangs", "g", 9, run))
        self.assertEqual((code, lines[-1]), (1, "0 passed, 1 failed"))

    def test_after_a_failed_build_the_rest_is_not_run(self):
        ran = []
        code, lines = self.run_all(
            suite.Stage("build", "g", 9, shell("exit 1"), required=True),
            suite.Stage("unit", "g", 9, lambda context: ran.append(1)))
        self.assertEqual((code, ran, lines[-1]), (1, [], "0 passed, 1 failed"))

    def test_an_absent_stage_is_listed_and_not_counted(self):
        code, lines = self.run_all(
            suite.Stage("one", "g", 9, shell("true")),
            suite.Stage("two", "g", 9, shell("false"), absent=lambda: "no such programs"),
            elsewhere=[("Slurm", 360, "not part of this version")])
        self.assertEqual((code, lines[-1]), (0, "1 passed, 0 failed"))
        self.assertTrue(any("no such programs" in line for line in lines))
        self.assertTrue(any("Slurm" in line for line in lines))


if __name__ == "__main__":
    unittest.main()
