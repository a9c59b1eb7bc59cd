#!/bin/sh
# Times our operators and PyTorch's in turn, on 2 threads of this machine, one process for each case
# and round, and writes the table into docs/performance.md.
#
#     python3 -m venv venv && venv/bin/pip install -r benches/requirements.txt
#     PYTHON=venv/bin/python benches/compare.sh [ROUNDS, 3 when left out]
#
# Keep the machine quiet meanwhile.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${1:-3}
cargo build --release --quiet -p thrumask-kernels --example compare
ours="${CARGO_TARGET_DIR:-target}/release/examples/compare"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=$("$python" -c "import json
for i, case in enumerate(json.load(open('benches/cases.json'))):
    print(i, case.get('alone', False), sep=':')")
export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    for case in $cases; do
        index=${case%%:*}
        echo "round $round of $rounds, case $index" >&2
        "$ours" benches/cases.json "$index" >>"$work/ours.jsonl"
        # The dense mask of some cases is too large for the peer.
        if [ "${case##*:}" = False ]; then
            # With the allocator settings that ours makes itself (keep_freed_memory): its best.
            MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=67108864 \
                "$python" benches/peers/ops.py benches/cases.json "$index" >>"$work/peer.jsonl"
        fi
    done
done
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
torch=$("$python" -c 'import torch; print(torch.__version__, torch.backends.cpu.get_cpu_capability())')
about="Machine: $cpu, 2 threads. PyTorch $torch. $(date -u +%Y-%m-%d), rounds in turn: $rounds; medians, in brackets the first and the last tenth."
"$python" benches/table.py "$work/ours.jsonl" "$work/peer.jsonl" docs/performance.md "$about"
