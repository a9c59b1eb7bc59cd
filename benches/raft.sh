#!/bin/sh
# Flow of one pair of pictures by the large RAFT, ours and torchvision's, on 2 threads of this machine: the
# same random weights and pictures, flows compared. Both in turn, as many rounds as asked for; prints a line
# for each: the median of all its runs in milliseconds, in brackets the first and the last tenth, and memory.
#
#     python3 -m venv venv && venv/bin/pip install -r benches/requirements.txt torchvision
#     PYTHON=venv/bin/python benches/raft.sh [ROUNDS, 3 when left out [WIDTH HEIGHT, 432 240 when left out]]
#
# Keep the machine quiet meanwhile.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
width=${2:-432}
height=${3:-240}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --quiet -p thrumask-nn --example compare_raft
ours="${CARGO_TARGET_DIR:-target}/release/examples/compare_raft"
export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds" >&2
    "$ours" "$work" "$width" "$height" on-demand >>"$work/lines.jsonl"
    "$ours" "$work" "$width" "$height" >>"$work/lines.jsonl"
    # With the allocator settings that ours makes itself, which are its fastest.
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824 \
        MALLOC_TOP_PAD_=67108864 "$python" benches/peers/raft.py "$work" >>"$work/lines.jsonl"
done
"$python" -c "import json, statistics, sys
def shown(samples):
    ordered = sorted(samples)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return f'{statistics.median(ordered):.4g} ({low:.4g}–{high:.4g})'

cases = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    case = cases.setdefault(row['name'], {'forward': [], 'extra': 0, 'error': 0})
    case['forward'] += row['forward']
    case['extra'] = max(case['extra'], row['extra_mib'])
    case['error'] = max(case['error'], row.get('error', 0))
for name, case in cases.items():
    print(f\"{name}: {shown(case['forward'])} ms, {case['extra']:.0f} MiB, {case['error']:.0e} apart\")" "$work/lines.jsonl"
