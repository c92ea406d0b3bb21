#!/usr/bin/env python3
"""Whether the documentation is true where a program can tell: links, commands, examples, schema."""

import json
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "docs" / "job.schema.json"
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
SCRIPT = re.compile(r"(?:\./)?scripts/([a-z_-]+)\b(?![./])")


def tracked(*patterns):
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard",
                              *patterns], capture_output=True, text=True, check=False).stdout
    found = [ROOT / name for name in listing.splitlines()]
    return sorted(path for path in found if path.is_file())


def pages():
    return tracked("*.md")


def prose(text):
    """Without code blocks, where a bracket is not a link."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The anchors of a page's headings, as the usual viewers make them."""
    heads = re.findall(r"^#+ +(.*?) *$", prose(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def plain_words(yaml):
    """A loader for which `on` is a word, as it is for Busbar, and not the truth of YAML 1.1."""
    class Loader(yaml.SafeLoader):
        pass
    Loader.yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules
                if not (tag.endswith(":bool") and first in "oOyYnN")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    return Loader


class Docs(unittest.TestCase):
    def test_there_is_something_to_check(self):
        self.assertIn(ROOT / "README.md", pages())

    def test_links_inside_the_tree_lead_somewhere(self):
        for page in pages():
            for target in LINK.findall(prose(page.read_text())):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                file = (page.parent / path).resolve() if path else page
                where = f"{page.relative_to(ROOT)}: {target}"
                self.assertTrue(file.exists(), f"{where} does not exist")
                if anchor and file.suffix == ".md":
                    self.assertIn(anchor, anchors(file), f"{where} has no such heading")

    def test_scripts_that_are_named_exist(self):
        for page in pages():
            for name in SCRIPT.findall(page.read_text()):
                self.assertTrue((ROOT / "scripts" / name).exists(),
                                f"{page.relative_to(ROOT)} names scripts/{name}")

    def test_every_configuration_key_is_described(self):
        page = (ROOT / "docs" / "operations.md").read_text()
        keys = page.partition("\n## Every configuration key\n")[2]
        described = set(re.findall(r"^\| `(?:\w+: )?(\w+)` \|", keys, re.MULTILINE))
        source = "".join((ROOT / "src" / file).read_text()
                         for file in ("daemon/config.cpp", "jobfile/scheduling.cpp"))
        tables = re.findall(r"string_view \w+_fields\[\] = \{([^}]*)\}", source)
        known = {key for table in tables for key in re.findall(r'"(\w+)"', table)}
        self.assertGreater(len(known), 40)
        self.assertEqual(known - described, set(), "not described in docs/operations.md")
        self.assertEqual(described - known, set(), "described, but no key of the reader")

    def test_every_decision_is_listed(self):
        listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
        for page in tracked("docs/decisions/[0-9]*.md"):
            self.assertIn(f"]({page.name})", listed)

    def test_json_documents_can_be_read(self):
        for path in tracked("docs/*.json"):
            with self.subTest(path=path.name):
                json.loads(path.read_text())

    @unittest.skipUnless(SCHEMA.exists(), "no published schema")
    def test_examples_follow_the_published_schema(self):
        import jsonschema
        import yaml
        schema = json.loads(SCHEMA.read_text())
        checker = jsonschema.validators.validator_for(schema)
        checker.check_schema(schema)
        for path in tracked("examples/*.yaml", "examples/*.yml"):
            documents = yaml.load_all(path.read_text(), plain_words(yaml))
            for number, document in enumerate(documents, 1):
                errors = [f"{'/'.join(map(str, error.path))}: {error.message}"
                          for error in checker(schema).iter_errors(document)]
                self.assertEqual(errors, [], f"{path.relative_to(ROOT)}, document {number}")


if __name__ == "__main__":
    unittest.main()
