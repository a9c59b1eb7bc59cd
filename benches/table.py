"""Puts the lines that benches/compare.sh collected into the table of docs/performance.md.

    python benches/table.py ours.jsonl peer.jsonl docs/performance.md "machine, versions, date"
"""

import json
import statistics
import sys

BEGIN, END = "<!-- benches/compare.sh: begin -->", "<!-- benches/compare.sh: end -->"


def read(path):
    cases = {}
    for line in open(path):
        row = json.loads(line)
        case = cases.setdefault(row["name"], {"forward": [], "both": [], "extra_mib": 0.0})
        case["forward"] += row["forward"]
        case["both"] += row["both"]
        case["extra_mib"] = max(case["extra_mib"], row["extra_mib"])
    return cases


def shown(samples):
    if not samples:
        return "–"
    ordered = sorted(samples)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return f"{statistics.median(ordered):.4g} ({low:.4g}–{high:.4g})"


def ratio(ours, peer):
    return f"**{statistics.median(peer) / statistics.median(ours):.2f}**" if ours and peer else "–"


def main():
    ours, peer, target, about = read(sys.argv[1]), read(sys.argv[2]), sys.argv[3], sys.argv[4]
    lines = [
        BEGIN,
        about,
        "",
        "| | forward: ours, ms | PyTorch, ms | times as fast | with backward: ours, ms | PyTorch, ms"
        " | times as fast | extra memory: ours, MiB | PyTorch, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, a in ours.items():
        b = peer.get(name, {"forward": [], "both": [], "extra_mib": None})
        memory = "–" if b["extra_mib"] is None else f"{b['extra_mib']:.0f}"
        cells = [
            name,
            *(shown(a["forward"]), shown(b["forward"]), ratio(a["forward"], b["forward"])),
            *(shown(a["both"]), shown(b["both"]), ratio(a["both"], b["both"])),
            *(f"{a['extra_mib']:.0f}", memory),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append(END)
    text = open(target).read()
    start, end = text.index(BEGIN), text.index(END) + len(END)
    open(target, "w").write(text[:start] + "\n".join(lines) + text[end:])


main()
