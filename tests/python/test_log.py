"""SLUICE_LOG: structured lines on stderr, and none without it."""

import json
import os

from command import MODELS, sluice

RUN = ["run", MODELS / "qwen3-cpu-float", "--prompt-ids", "5,6", "-n", 2, "-q", "--output", "ids"]


def run(**variables):
    return sluice(*RUN, env={**os.environ, **variables})


def test_nothing_is_logged_unless_asked_for():
    assert run().err == ""


def test_json_lines_of_one_component():
    lines = [json.loads(line) for line in run(SLUICE_LOG="gpu=debug", SLUICE_LOG_FORMAT="json").err.splitlines()]
    assert {line["component"] for line in lines} == {"gpu"}
    assert any(line["message"] == "pipeline compiled" and line["shader"].endswith(".wgsl") for line in lines)
    opened = next(line for line in lines if line["message"] == "device opened")
    assert opened["level"] == "info" and opened["name"] and opened["time"].endswith("Z")


def test_text_lines_keep_the_answer_clean():
    quiet, loud = run(), run(SLUICE_LOG="info")
    assert loud.out == quiet.out
    assert any(" info decode: model ready weights=" in line for line in loud.err.splitlines())


def test_wrong_words_are_refused():
    for variables in ({"SLUICE_LOG": "loud"}, {"SLUICE_LOG": "cpu=info"}, {"SLUICE_LOG": "info", "SLUICE_LOG_FORMAT": "xml"}):
        result = run(**variables)
        assert result.code == 1 and "SLUICE_LOG" in result.err
