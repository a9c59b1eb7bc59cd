#!/bin/sh
# SAM 2.1 of the size of Hiera-T on a picture of 1024x1024 pixels, ours and transformers' in turn, on 2 threads of
# this machine: the same random weights and inputs, outputs compared. Prints a line of JSON each.
#
#     python3 -m venv venv && venv/bin/pip install -r benches/requirements.txt
#     PYTHON=venv/bin/python benches/sam2.sh [FOLDER [ROUNDS [SECONDS]]]
#
# Encoder and decoder are timed for so many SECONDS, after a first time, in each round. Keep the machine quiet
# meanwhile.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-$(mktemp -d)}
rounds=${2:-3}
seconds=${3:-20}
mkdir -p "$folder"
cargo build --release --quiet -p thrumask-nn --example compare_sam2
ours="${CARGO_TARGET_DIR:-target}/release/examples/compare_sam2"
export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    "$ours" "$folder" "$seconds"
    # With the allocator settings that ours makes itself, which are its fastest.
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824 \
        MALLOC_TOP_PAD_=67108864 "${PYTHON:-python3}" benches/peers/sam2.py "$folder" "$seconds"
done
