#!/bin/sh
# Times our operators and networks and PyTorch's in turn, on 2 threads of this machine, one process for
# each case and round, and writes the tables into docs/performance.md.
#
#     python3 -m venv venv && venv/bin/pip install -r benches/requirements.txt
#     PYTHON=venv/bin/python benches/compare.sh [ROUNDS, 3 when left out]
#
# Keep the machine quiet meanwhile.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${1:-3}
cargo build --release --quiet -p thrumask-kernels -p thrumask --example compare --example compare_network
examples="${CARGO_TARGET_DIR:-target}/release/examples"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The number of each case, and whether it is ours alone: some dense masks are too large for the peer.
list() {
    "$python" -c "import json, sys
for i, case in enumerate(json.load(open(sys.argv[1]))):
    print(i, case.get('alone', False), sep=':')" "$1"
}
# With the allocator settings that ours makes itself (keep_freed_memory): its best.
peer() {
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=67108864 "$python" "$@"
}
export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    "$examples/compare" benches/cases.json peak >>"$work/peak.jsonl"
    for case in $(list benches/cases.json); do
        index=${case%%:*}
        echo "round $round of $rounds, operator $index" >&2
        "$examples/compare" benches/cases.json "$index" >>"$work/ours.jsonl"
        if [ "${case##*:}" = False ]; then
            peer benches/peers/ops.py benches/cases.json "$index" >>"$work/peer.jsonl"
        fi
    done
    for case in $(list benches/networks.json); do
        index=${case%%:*}
        echo "round $round of $rounds, network $index" >&2
        file="$work/network.safetensors"
        "$examples/compare_network" benches/networks.json "$index" "$file" >>"$work/our-networks.jsonl"
        peer benches/peers/network.py benches/networks.json "$index" "$file" >>"$work/peer-networks.jsonl"
    done
done
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
torch=$("$python" -c 'import torch; print(torch.__version__, torch.backends.cpu.get_cpu_capability())')
about="Machine: $cpu, 2 threads. PyTorch $torch. $(date -u +%Y-%m-%d), rounds in turn: $rounds; medians, in brackets the first and the last tenth."
"$python" benches/table.py "$work" docs/performance.md "$about"
