"""The HTML page of a profile, in a real browser."""

import json
import os
import re

import browser
import pytest
from command import MODELS, succeed

pytestmark = pytest.mark.skipif(browser.PROGRAM is None and "SLUICE_NEED_BROWSER" not in os.environ, reason="no browser: install chromium-headless-shell to test the page")

# What a user would do, its result in an element that the test reads.
ACT = """
const said = {};
const rows = () => [...document.querySelectorAll("tbody tr")].map(r => [...r.children].map(c => c.textContent));
said.phases = [...document.querySelectorAll("nav button")].map(b => b.textContent);
said.bars = document.querySelectorAll("#bars i").length;
said.marks = document.querySelectorAll("#timeline rect").length;
said.dots = document.querySelectorAll("#roofline circle").length;
said.limits = document.querySelectorAll("#roofline .limit").length;
said.totals = rows().map(r => +r[4]);
document.querySelector("th[data-key=op]").click();
said.operators = rows().map(r => r[0]);
document.getElementById("filter").value = "attention gqa/";
document.getElementById("filter").dispatchEvent(new Event("input"));
said.filtered = rows().map(r => r[0]);
document.querySelector("nav button").click();
said.title = document.title;
said.wide = document.documentElement.scrollWidth > innerWidth;
const table = document.querySelector(".scroll");
said.cut = table.scrollWidth > table.clientWidth + 1;
const right = Math.max(...[...document.querySelectorAll("#bars *, svg text")].map(e => e.getBoundingClientRect().right));
said.outside = right > innerWidth;
document.body.innerHTML = "";
document.body.append(JSON.stringify(said));
"""

NARROW = """
const boxes = selector => [...document.querySelectorAll(selector)].map(e => e.getBoundingClientRect());
const ticks = boxes("#timeline text").filter(b => b.top > boxes("#timeline")[0].top + 70).sort((a, b) => a.left - b.left);
const said = {
  longest: Math.max(...boxes("#bars i").map(b => b.width)),
  right: Math.max(...boxes("#bars *").map(b => b.right)),
  overlap: ticks.some((b, i) => i > 0 && ticks[i - 1].right > b.left),
};
document.body.innerHTML = "";
document.body.append(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "profile.html"
    succeed("profile", MODELS / "qwen3-cpu-float", "--prompt-tokens", 9, "--tokens", 4, "--repeats", 1, "-q", "--html", file)
    return file


def test_the_page_shows_sorts_and_filters(page):
    said = json.loads(re.search(r"<body>(.*)</body>", browser.dom(page, ACT), re.S)[1])
    assert said["phases"] == ["prefill", "decode"]
    assert said["title"] == "Profile of qwen3-cpu-float"
    assert said["bars"] >= 3 and said["marks"] >= 10 and said["dots"] >= 3 and said["limits"] == 2
    assert said["marks"] == len(said["totals"]), "one replay of the decode program"
    assert said["totals"] == sorted(said["totals"], reverse=True)
    assert said["operators"] == sorted(said["operators"])
    assert said["filtered"] and set(said["filtered"]) == {"GroupQueryAttention"}
    assert not said["wide"], "wider than the window"
    assert not said["cut"], "columns of the table are hidden"
    assert not said["outside"], "text beyond the window"


def test_a_narrow_window_shows_bars_and_their_figures(page):
    said = json.loads(re.search(r"<body>(.*)</body>", browser.dom(page, NARROW, width=480), re.S)[1])
    assert said["longest"] > 60, "bars too short to compare"
    assert said["right"] <= 480 and not said["overlap"]


def test_the_page_needs_nothing_else(page):
    text = page.read_text()
    assert not re.search(r'(src|href)="|@import|fetch\(|XMLHttpRequest', text)


def test_names_cannot_break_out_of_the_page(tmp_path):
    from profile_files import event, session_event, write

    evil = "</script><script>document.title = 'broken'</script>"
    file = write(tmp_path / "evil.json", [session_event("model_run", 0, 9), event("Add", "CPUExecutionProvider", evil, 3)])
    succeed("profile", "--ort", file, "--html", tmp_path / "evil.html")
    content = browser.dom(tmp_path / "evil.html")
    assert "<title>Profile of evil.json</title>" in content
    assert "document.title = 'broken'&lt;/script" in content
