"""Reads the outputs of checks with libraries that others wrote, and looks whether those find in them what is there.

read.py SCHEMA FOLDER
"""

import json
import sys
from pathlib import Path

import jsonschema
from junitparser import JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

# Verdict, tests, failures and errors of each check.
EXPECTED = {"pass": ("pass", 11, 0, 0), "regressed": ("regressed", 7, None, 0), "missing": ("not-comparable", 1, 0, 1)}


def read(name, schema, folder):
    verdict, tests, failures, errors = EXPECTED[name]
    check = json.loads((folder / f"{name}.json").read_text())
    jsonschema.validate(check, schema, cls=jsonschema.Draft202012Validator)
    assert check["verdict"] == verdict, check["headline"]
    regressed = [finding for finding in check["findings"] if finding["outcome"] == "regressed"]

    junit = JUnitXml.fromfile(str(folder / f"{name}.xml"))
    assert (junit.tests, junit.errors) == (tests, errors), (junit.tests, junit.errors)
    assert junit.failures == (len(regressed) if failures is None else failures), junit.failures
    assert sum(len(list(suite)) for suite in junit) == tests

    families = list(text_string_to_metric_families((folder / f"{name}.txt").read_text()))
    samples = [sample for family in families for sample in family.samples]
    passed = [sample.value for sample in samples if sample.name == "versus_check_pass"]
    assert passed == [float(verdict == "pass")], passed
    flagged = sum(sample.value for sample in samples if sample.name == "versus_check_regressed")
    assert flagged == len(regressed), flagged


def main():
    schema = json.loads(Path(sys.argv[1]).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in EXPECTED:
        read(name, schema, Path(sys.argv[2]))
        print(f"{name}: JSON, JUnit and OpenMetrics are read as they were meant")


if __name__ == "__main__":
    main()
