#!/usr/bin/env python3
"""Draws results of whole models as bars: bench/plot.py RESULTS.json [MORE.json ...] --out docs/speed

Writes docs/speed-light.svg and docs/speed-dark.svg for pages of either kind. Where files hold a record of the same model and runtime, the
later file's counts. Needs bench/requirements.txt.
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

INK = {"light": "#1f2328", "dark": "#e6edf3"}
FAINT = {"light": "#59636e", "dark": "#9198a1"}
OURS, OTHERS = "#2f81f7", {"light": "#afb8c1", "dark": "#57606a"}
TITLES = {"gpt-oss-20b": "gpt-oss-20b", "trinity-nano": "Trinity-Nano", "lfm2-8b-a1b": "LFM2-8B-A1B", "qwen3-30b-a3b": "Qwen3-30B-A3B"}
TESTS = {"tg": "new tokens per second", "pp": "prompt tokens per second"}
DEPTHS = {"tg": 128, "pp": 0}
BAR_INCHES, HEAD_INCHES = 0.27, 0.75


def merge(files: list[Path]) -> tuple[list[dict], list[str]]:
    """Records by model and runtime, without empty ones and those that others have published, and what each file says of itself."""
    records, sources = {}, []
    for results in map(json.loads, (f.read_text() for f in files)):
        records |= {(r["model"], r["runtime"]): r for r in results["models"] if r["tests"] and "published" not in r}
        sources.append(f"{results['device']}, {results['date']}")
    return list(records.values()), list(dict.fromkeys(sources))


def best(record: dict, kind: str) -> dict | None:
    """The longest test of a kind, at the depth nearest to the one that all runtimes are measured at."""
    tests = [t for t in record["tests"] if t["test"].startswith(kind)]
    return max(tests, key=lambda t: (int(t["test"][2:]), -abs(t["depth"] - DEPTHS[kind])), default=None)


def length_note(test: dict, usual: str) -> str:
    return "" if test["test"] == usual else f" ({int(test['test'][2:]):,} tokens)"


def panel(axes, records: list[dict], kind: str, theme: str) -> None:
    found = [(r["runtime"], best(r, kind)) for r in records]
    bars = sorted([(name, t) for name, t in found if t], key=lambda bar: bar[1]["median"])
    if not bars:
        axes.set_axis_off()
        return
    usual = max((t["test"] for _, t in bars), key=lambda test: int(test[2:]))
    colors = [OURS if name.startswith("Sluice") else OTHERS[theme] for name, _ in bars]
    drawn = axes.barh([name for name, _ in bars], [t["median"] for _, t in bars], color=colors, height=0.72)
    rates = [f"{t['median']:,.{0 if t['median'] >= 100 else 1}f}{length_note(t, usual)}" for _, t in bars]
    axes.bar_label(drawn, rates, padding=4, color=INK[theme], fontsize=9)
    axes.margins(x=0.24, y=0.02)
    axes.set_title(f"{TESTS[kind]} ({int(usual[2:]):,})", loc="left", color=FAINT[theme], fontsize=9)
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False, labelcolor=INK[theme], labelsize=9)


def draw(records: list[dict], sources: list[str], theme: str, out: Path) -> None:
    by_model = {name: [r for r in records if r["model"] == name] for name in TITLES}
    shown = {name: own for name, own in by_model.items() if own}
    heights = [HEAD_INCHES + BAR_INCHES * len(own) for own in shown.values()]
    figure = plt.figure(figsize=(11.2, sum(heights) + 0.3), layout="constrained")
    parts = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (name, own) in zip(parts, shown.items()):
        part.suptitle(TITLES[name], x=0.01, ha="left", color=INK[theme], fontsize=11, fontweight="bold")
        for axes, kind in zip(part.subplots(1, 2), TESTS):
            panel(axes, own, kind, theme)
    figure.supxlabel(f"one sequence, synthetic weights, int4 in blocks of 32; {'; '.join(sources)}", x=0.01, ha="left", fontsize=8, color=FAINT[theme])
    figure.savefig(out, transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws results of whole models as bars.")
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, metavar="PREFIX", help="of PREFIX-light.svg and PREFIX-dark.svg")
    options = parser.parse_args()
    plt.rcParams.update({"svg.hashsalt": "sluice", "svg.fonttype": "none", "font.family": "sans-serif"})
    records, sources = merge(options.results)
    for theme in INK:
        draw(records, sources, theme, options.out.with_name(f"{options.out.name}-{theme}.svg"))


if __name__ == "__main__":
    main()
