#!/bin/sh
# One denoising step of the full-size U-Net, ours and diffusers', on 2 threads of this machine: the same
# random weights and inputs, outputs compared. Prints a line of JSON each. Takes 7.7 GB of disk, 8.2 GB of
# memory and, with its weights made, several minutes on two fast cores.
#
#     python3 -m venv venv && venv/bin/pip install -r benches/requirements.txt
#     PYTHON=venv/bin/python benches/unet.sh [FOLDER [FRAMES SIDE]]
#
# SIDE is in latents: 32 for 256 pixels. Keep the machine quiet meanwhile.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-$(mktemp -d)}
frames=${2:-16}
side=${3:-32}
mkdir -p "$folder"
cargo build --release --quiet -p thrumask --example compare_unet
ours="${CARGO_TARGET_DIR:-target}/release/examples/compare_unet"
export RAYON_NUM_THREADS=2 OMP_NUM_THREADS=2
"$ours" "$folder" plain "$frames" "$side"
"$ours" "$folder" objects "$frames" "$side"
for mode in f16 chunks f16+chunks mapped f16+mapped; do
    "$ours" "$folder" "$mode" "$frames" "$side"
done
# With the allocator settings that ours makes itself, which are its fastest.
GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=1073741824 \
    MALLOC_TOP_PAD_=67108864 "${PYTHON:-python3}" benches/peers/unet.py "$folder"
