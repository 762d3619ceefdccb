"""Reads the outputs of checks with libraries that others wrote, and looks whether those find in them what is there.

read.py SCHEMA FOLDER
"""

import json
import sys
from pathlib import Path

import duckdb
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


def parquet(folder):
    """The messages of a run: as many, and as slow, as its CSV files say."""
    table = f"read_parquet('{folder}/smoke.parquet')"
    for stack in ("ecs", "lambda"):
        csv = f"read_csv('{folder}/smoke/{stack}/messages.csv')"
        totals = "count(*), count(worker), sum(receive_count), sum(cold_start::int), max(finished_at)"
        there = duckdb.sql(f"select {totals}, sum(latency) from {table} where stack = '{stack}'").fetchall()
        meant = duckdb.sql(f"select {totals}, sum(finished_at - scheduled_at) from {csv}").fetchall()
        assert there == meant and there[0][0] == 359, (there, meant)
    print("the messages: DuckDB reads the Parquet file as it reads the CSV files")


def main():
    schema = json.loads(Path(sys.argv[1]).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in EXPECTED:
        read(name, schema, Path(sys.argv[2]))
        print(f"{name}: JSON, JUnit and OpenMetrics are read as they were meant")
    parquet(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
