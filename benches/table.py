"""Puts the lines that benches/compare.sh collected into the tables of docs/performance.md.

    python benches/table.py FOLDER docs/performance.md "machine, versions, date"
"""

import json
import os
import statistics
import sys

BEGIN, END = "<!-- benches/compare.sh: begin -->", "<!-- benches/compare.sh: end -->"


def rows(path):
    return [json.loads(line) for line in open(path)]


def read(path):
    cases = {}
    for row in rows(path):
        case = cases.setdefault(row["name"], {"forward": [], "both": [], "extra_mib": 0.0})
        case["forward"] += row["forward"]
        case["both"] += row["both"]
        case["extra_mib"] = max(case["extra_mib"], row["extra_mib"])
        case["work"] = row.get("work", {})
        case["errors"] = case.get("errors", []) + row.get("errors", [])
    return cases


def shown(samples):
    if not samples:
        return "–"
    ordered = sorted(samples)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return f"{statistics.median(ordered):.4g} ({low:.4g}–{high:.4g})"


def ratio(ours, peer):
    return f"**{statistics.median(peer) / statistics.median(ours):.2f}**" if ours and peer else "–"


def roofline(case, peaks):
    """The rate of the forward pass, and its share of the machine's peak."""
    for kind, unit in (("gflop", "GFLOP/s"), ("gb", "GB/s")):
        if kind in case["work"]:
            rate = case["work"][kind] / statistics.median(case["forward"]) * 1e3
            return f"{rate:.3g} {unit}, {100 * rate / peaks[kind]:.0f} %"
    return "–"


def table(ours, peer, second, peaks=None):
    last = ["of the machine's peak (forward)"] if peaks else []
    head = [
        *("", "forward: ours, ms", "PyTorch, ms", "times as fast"),
        *(f"{second}: ours, ms", "PyTorch, ms", "times as fast"),
        *("extra memory: ours, MiB", "PyTorch, MiB", *last),
    ]
    lines = ["| " + " | ".join(head).strip() + " |", "|" + "---|" * len(head)]
    for name, a in ours.items():
        b = peer.get(name, {"forward": [], "both": [], "extra_mib": None})
        memory = "–" if b["extra_mib"] is None else f"{b['extra_mib']:.0f}"
        cells = [
            name,
            *(shown(a["forward"]), shown(b["forward"]), ratio(a["forward"], b["forward"])),
            *(shown(a["both"]), shown(b["both"]), ratio(a["both"], b["both"])),
            *(f"{a['extra_mib']:.0f}", memory),
            *([roofline(a, peaks)] if peaks else []),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main():
    folder, target, about = sys.argv[1:4]
    at = lambda name: os.path.join(folder, name)
    found = rows(at("peak.jsonl"))
    peaks = {kind: max(row[kind] for row in found) for kind in ("gflop", "gb")}
    networks = read(at("peer-networks.jsonl"))
    error = max(error for case in networks.values() for error in case["errors"])
    lines = [
        BEGIN,
        about,
        f"Peak: {peaks['gflop']:.0f} GFLOP/s of multiply-adds, {peaks['gb']:.0f} GB/s of copying.",
        "",
        *table(read(at("ours.jsonl")), read(at("peer.jsonl")), "with backward", peaks),
        "",
        f"Networks, same weights and inputs; outputs differ by {error:.0e} at most, before and after a step:",
        "",
        *table(read(at("our-networks.jsonl")), networks, "training step"),
        END,
    ]
    text = open(target).read()
    start, end = text.index(BEGIN), text.index(END) + len(END)
    open(target, "w").write(text[:start] + "\n".join(lines) + text[end:])


main()
