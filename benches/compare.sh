#!/bin/sh
# Times our operators and networks and PyTorch's in turn, on 2 threads of this machine, one process for
# each case and round, and writes the tables into docs/performance.md or another file that has the place
# for them.
#
#     python3 -m venv venv && venv/bin/pip install -r benches/requirements.txt
#     PYTHON=venv/bin/python benches/compare.sh [ROUNDS, 3 when left out] [FILE]
#
#     ONLY="10 25 animate" PYTHON=venv/bin/python benches/compare.sh [ROUNDS]
#
# prints the least times of those operators (their numbers in benches/cases.json, from 0) and of animate's networks
# instead: where minutes differ, the least of several rounds says more than a median.
#
# Keep the machine quiet meanwhile.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${1:-3}
target=${2:-docs/performance.md}
cargo build --release --quiet -p thrumask-kernels -p thrumask \
    --example compare --example compare_network --example compare_animate
examples="${CARGO_TARGET_DIR:-target}/release/examples"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file="$work/network.safetensors"
# The number of each case, and whether it is ours alone: some dense masks are too large for the peer.
list() {
    "$python" -c "import json, sys
for i, case in enumerate(json.load(open(sys.argv[1]))):
    print(i, case.get('alone', False), sep=':')" "$1"
}
# Runs a peer, into FILE.jsonl: with the allocator settings that ours makes itself (keep_freed_memory,
# LineAllocator), which are its fastest. They scatter what PyTorch frees, so its memory is that of one more run, in the
# first round, with a mapping for each tensor, into FILE-memory.jsonl.
peer() {
    to="$work/$1"
    shift
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824 \
        MALLOC_TOP_PAD_=67108864 "$python" "$@" >>"$to.jsonl"
    if [ "$round" -eq 1 ]; then
        ONCE=1 MALLOC_MMAP_THRESHOLD_=65536 "$python" "$@" >>"$to-memory.jsonl"
    fi
}
# Whether a case is asked for.
wanted() {
    case " ${ONLY:-$1} " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}
export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    "$examples/compare" benches/cases.json peak >>"$work/peak.jsonl"
    for case in $(list benches/cases.json); do
        index=${case%%:*}
        wanted "$index" || continue
        echo "round $round of $rounds, operator $index" >&2
        "$examples/compare" benches/cases.json "$index" >>"$work/ours.jsonl"
        if [ "${case##*:}" = False ]; then
            peer peer benches/peers/ops.py benches/cases.json "$index"
        fi
    done
    if [ -z "${ONLY-}" ]; then for case in $(list benches/networks.json); do
        index=${case%%:*}
        echo "round $round of $rounds, network $index" >&2
        "$examples/compare_network" benches/networks.json "$index" "$file" >>"$work/our-networks.jsonl"
        peer peer-networks benches/peers/network.py benches/networks.json "$index" "$file"
    done; fi
    wanted animate || continue
    echo "round $round of $rounds, animate" >&2
    "$examples/compare_animate" "$file" >>"$work/our-networks.jsonl"
    peer peer-networks benches/peers/animate.py "$file"
done
if [ -n "${ONLY-}" ]; then
    exec "$python" benches/table.py "$work" least
fi
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
torch=$("$python" -c 'import torch; print(torch.__version__, torch.backends.cpu.get_cpu_capability())')
about="Machine: $cpu, 2 threads. PyTorch $torch. $(date -u +%Y-%m-%d), rounds in turn: $rounds; medians, in brackets the first and the last tenth."
"$python" benches/table.py "$work" "$target" "$about"
