#!/usr/bin/env python3
"""Runs a build's C++ tests with CTest and the Python tests with pytest, and closes with one line of totals, cases of both counted.

Run it with the interpreter of .deps/venv, which has pytest and the oracle. Further arguments go to pytest.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def count(report):
    """Totals of a JUnit-like file, as CTest, GoogleTest and pytest write it."""
    totals = Totals()
    for case in xml.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            totals.failed += 1
        elif case.find("skipped") is not None or case.get("result") in ("skipped", "suppressed"):
            totals.skipped += 1
        else:
            totals.passed += 1
    return totals


def run_ctest(build, scratch, environment):
    """CTest counts programs; the cases inside come from GoogleTest's own reports, and a program that died counts as one failure."""
    reports = scratch / "gtest"
    summary = scratch / "ctest.xml"
    command = ["ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error", "-j", str(os.cpu_count()), "--output-junit", summary]
    done = subprocess.run(command, env={**environment, "GTEST_OUTPUT": f"xml:{reports}/"})
    totals = Totals()
    for program in xml.parse(summary).getroot().iter("testcase") if summary.exists() else ():
        report = reports / f"{program.get('name')}.xml"
        cases = count(report) if report.exists() else Totals()
        if program.find("failure") is not None and not cases.failed:
            cases.failed += 1
        elif not report.exists() and program.find("failure") is None:
            cases.passed += 1
        totals.add(cases)
    if done.returncode and not totals.failed:
        totals.failed += 1
    return totals


def run_pytest(build, scratch, environment, arguments):
    report = scratch / "pytest.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(os.cpu_count()), "--dist", "loadfile", "--junitxml", report,
               ROOT / "tests/python", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**environment, "SLUICE_BUILD": str(Path(build).resolve())})
    totals = count(report) if report.exists() else Totals()
    if done.returncode and not totals.failed:
        totals.failed += 1
    return totals


def main():
    parser = argparse.ArgumentParser(description="Runs all tests of a build folder.")
    parser.add_argument("build", help="build folder")
    parser.add_argument("--disable", default="", metavar="LIST", help="SLUICE_DISABLE for all tests: f16,subgroups,...")
    parser.add_argument("--no-python", action="store_true", help="only the C++ tests")
    options, pytest_arguments = parser.parse_known_args()
    environment = dict(os.environ)
    if options.disable:
        environment["SLUICE_DISABLE"] = options.disable
        print(f"run_tests: SLUICE_DISABLE={options.disable}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        totals = run_ctest(options.build, scratch, environment)
        print(f"C++ cases: {totals}", flush=True)
        if not options.no_python:
            python = run_pytest(options.build, scratch, environment, pytest_arguments)
            print(f"Python cases: {python}", flush=True)
            totals.add(python)
    print(totals, flush=True)
    raise SystemExit(bool(totals.failed) or not totals.passed)


if __name__ == "__main__":
    main()
