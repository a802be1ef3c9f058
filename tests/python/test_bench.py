"""sluice bench: its forms agree, its figures follow from one another, and lengths that do not fit are refused."""

import csv
import io
import json

import pytest
from command import MODELS, sluice, succeed

TINY = MODELS / "qwen3-cpu"
SHORT = ("-q", "-r", 2, "--no-bandwidth")


def bench(*arguments):
    return succeed("bench", TINY, *SHORT, *arguments).out


@pytest.fixture(scope="module")
def report():
    return json.loads(succeed("bench", TINY, "-q", "-r", 2, "-p", "8,16", "-n", 4, "-d", "0,10", "--output", "json").out)


def test_every_length_at_every_depth(report):
    assert [(t["test"], t["depth"]) for t in report["tests"]] == [
        ("pp8", 0), ("pp16", 0), ("tg4", 0), ("pp8", 10), ("pp16", 10), ("tg4", 10)]
    assert report["repeats"] == 2 and report["layers"] > 0 and report["read_gb_s"] > 0 and report["memory"]["weights"] > 0


def test_figures_follow_from_one_another(report):
    for test in report["tests"]:
        assert 0 < test["least"] <= test["median"] <= test["most"]
        assert test["us_token"] == pytest.approx(1e6 / test["median"])
        assert test["us_layer"] == pytest.approx(test["us_token"] / report["layers"])
        assert ("gb_s" in test) == test["test"].startswith("tg")
    first, deep = (t for t in report["tests"] if t["test"] == "tg4")
    assert deep["state_bytes_token"] > first["state_bytes_token"] and deep["weight_bytes_token"] == first["weight_bytes_token"]
    read = deep["weight_bytes_token"] + deep["state_bytes_token"]
    assert deep["gb_s"] == pytest.approx(read * deep["median"] / 1e9)
    assert deep["share_of_read_bandwidth"] == pytest.approx(deep["gb_s"] / report["read_gb_s"])
    assert deep["dispatches_token"] > report["layers"] * deep["dispatches_layer"] > 0


def test_forms():
    rows = list(csv.reader(io.StringIO(bench("-p", 8, "-n", 4, "--output", "csv"))))
    assert [row[0] for row in rows] == ["test", "pp8", "tg4"] and len({len(row) for row in rows}) == 1
    markdown = bench("-p", 8, "-n", 0, "--output", "markdown").splitlines()
    assert len(markdown) == 3 and len({line.count("|") for line in markdown}) == 1 and markdown[1].startswith("| --- |")
    table = bench("-p", 0, "-n", 4).splitlines()
    assert "qwen3-cpu" in table[0] and table[2].split()[0] == "test" and table[3].split()[0] == "tg4"


def test_refuses_more_than_the_context():
    result = sluice("bench", TINY, *SHORT, "-p", 8, "-d", 1 << 30)
    assert result.code == 1 and "[bench] needs 10737" in result.err and "at most" in result.err
