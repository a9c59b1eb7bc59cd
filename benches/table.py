"""Puts the lines that benches/compare.sh collected into the tables of docs/performance.md.

    python benches/table.py FOLDER docs/performance.md "machine, versions, date"

or prints the least times of each case:

    python benches/table.py FOLDER least
"""

import json
import os
import statistics
import sys

BEGIN, END = "<!-- benches/compare.sh: begin -->", "<!-- benches/compare.sh: end -->"
LISTS = ("forward", "both", "errors", "carrying")
NO_MEMORY = {"extra_mib": 0.0, "extra_both_mib": 0.0, "peak_mib": 0.0}


def rows(path):
    return [json.loads(line) for line in open(path)]


def read(path, memory=None):
    """The cases of a file by name, with the memory of the same cases in another one."""
    cases = {}
    for row in rows(path):
        case = cases.setdefault(row["name"], {**{kind: [] for kind in LISTS}, **NO_MEMORY})
        for kind in LISTS:
            case[kind] += row.get(kind, [])
        case["work"] = row.get("work", {})
    for row in rows(memory or path):
        case = cases[row["name"]]
        for kind in NO_MEMORY:
            case[kind] = max(case[kind], row.get(kind, 0.0))
    return cases


def shown(samples):
    if not samples:
        return "–"
    ordered = sorted(samples)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return f"{statistics.median(ordered):.4g} ({low:.4g}–{high:.4g})"


def ratio(ours, peer):
    return f"**{statistics.median(peer) / statistics.median(ours):.2f}**" if ours and peer else "–"


def memory(case):
    """Of the forward pass, and with what is behind it."""
    if not case["forward"]:
        return "–"
    both = f" / {case['extra_both_mib']:.0f}" if case["both"] else ""
    return f"{case['extra_mib']:.0f}{both}"


def roofline(case, peaks):
    """The rate of the forward pass, and its share of the machine's peak, by what it is nearer to."""
    units, found = {"gflop": "GFLOP/s", "gb": "GB/s"}, []
    for kind, work in case["work"].items():
        rate = work / statistics.median(case["forward"]) * 1e3
        found.append((rate / peaks[kind], f"{rate:.3g} {units[kind]}"))
    share, rate = max(found)
    return f"{rate}, {100 * share:.0f} %"


def table(ours, peer, second, peaks=None):
    last = ["of the machine's peak (forward)"] if peaks else []
    head = [
        *("", "forward: ours, ms", "PyTorch, ms", "times as fast"),
        *(f"{second}: ours, ms", "PyTorch, ms", "times as fast"),
        *(f"extra memory, forward / {second}: ours, MiB", "PyTorch, MiB", *last),
    ]
    lines = ["| " + " | ".join(head).strip() + " |", "|" + "---|" * len(head)]
    for name, a in ours.items():
        b = peer.get(name, {"forward": [], "both": []})
        cells = [
            name,
            *(shown(a["forward"]), shown(b["forward"]), ratio(a["forward"], b["forward"])),
            *(shown(a["both"]), shown(b["both"]), ratio(a["both"], b["both"])),
            *(memory(a), memory(b)),
            *([roofline(a, peaks)] if peaks else []),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def carrying(name, ours, peer):
    """What our time of a case has in it that the peer gets done."""
    carried, all_of = statistics.median(ours["carrying"]), statistics.median(ours["forward"])
    return (
        f"{name}: {carried:.3g} of our {all_of:.4g} ms carry the picture along the trajectory, which "
        f"PyTorch gets done; without them {all_of - carried:.4g} ms, "
        f"**{statistics.median(peer['forward']) / (all_of - carried):.2f}** times as fast."
    )


def least(folder):
    """A row for each case that there is: ours and PyTorch's least times, and how many times as fast that is."""
    print("| | forward | times | with backward | times |", "|---|---|---|---|---|", sep="\n")
    for ours, peer in (("ours", "peer"), ("our-networks", "peer-networks")):
        if not os.path.exists(path := os.path.join(folder, f"{ours}.jsonl")):
            continue
        peers = read(os.path.join(folder, f"{peer}.jsonl"))
        for name, case in read(path).items():
            cells = []
            for kind in ("forward", "both"):
                a, b = case[kind], peers[name][kind]
                cells += [f"{min(a):.3g}, {min(b):.3g}", f"**{min(b) / min(a):.2f}**"] if a and b else ["", ""]
            print("| " + " | ".join([name, *cells]) + " |")
            if case["carrying"]:
                without = min(case["forward"]) - min(case["carrying"])
                times = min(peers[name]["forward"]) / without
                print(f"| the same without the carrying | {without:.3g} | **{times:.2f}** | | |")


def main():
    if sys.argv[2] == "least":
        return least(sys.argv[1])
    folder, target, about = sys.argv[1:4]
    at = lambda name: os.path.join(folder, name)
    found = rows(at("peak.jsonl"))
    peaks = {kind: max(row[kind] for row in found) for kind in ("gflop", "gb")}
    peer = read(at("peer.jsonl"), at("peer-memory.jsonl"))
    networks = read(at("peer-networks.jsonl"), at("peer-networks-memory.jsonl"))
    our_networks = read(at("our-networks.jsonl"))
    error = max(error for case in networks.values() for error in case["errors"])
    lines = [
        BEGIN,
        about,
        f"Peak: {peaks['gflop']:.0f} GFLOP/s of multiply-adds, {peaks['gb']:.0f} GB/s of copying.",
        "",
        *table(read(at("ours.jsonl")), peer, "with backward", peaks),
        "",
        f"Networks, same weights and inputs; outputs differ by {error:.0e} at most, before and after a step:",
        "",
        *table(our_networks, networks, "training step"),
        "",
        *(
            carrying(name, case, networks[name]) + "\n"
            for name, case in our_networks.items()
            if case["carrying"]
        ),
        "Peak of the whole process, weights and code included:",
        *(
            f"{name}, ours {case['peak_mib']:.0f} MiB, PyTorch {networks[name]['peak_mib']:.0f} MiB."
            for name, case in our_networks.items()
            if case["peak_mib"]
        ),
        END,
    ]
    text = open(target).read()
    start, end = text.index(BEGIN), text.index(END) + len(END)
    open(target, "w").write(text[:start] + "\n".join(lines) + text[end:])


main()
