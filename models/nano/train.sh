#!/bin/sh
# Trains an embedded model from nothing: runs the commands of CARD.md for it, one after the other.
#
#     sh models/nano/train.sh MODEL [OUT] [OPTION OF TRAIN]...
#
# MODEL: autoencoder, segmenter, motion, video, tracker, unet-motion, unet-video or unet-ti2v.
# OUT: the folder of the runs, "train" in the repository when left out. Each run has its own folder in it, by the
# name that the card gives it; the last one's model is copied to OUT/MODEL.safetensors.
# The same command goes on where it was interrupted: what a run has done it does not do again.
# Stages, U-Nets and TI2V learn from the latents of the autoencoder in this folder, not of one in OUT.
#
# It repeats the recipe. Where a run was made longer or shorter on the way (the card says which), or the program
# has changed since, other bytes come out, of a model about as good; the long ones were not run so from end to end.
#
# The options are added to every run: "--threads 1"; "--device cpu" for the U-Nets, whose first runs were made
# on a graphics card. From the environment:
#   THRUMASK   the program, as called from the repository ("cargo run --release --", for a card with
#              "--features gpu"); "echo" shows the commands and trains nothing
#   TRAIN_SET  values set over the card's in every run: TRAIN_SET="run.steps=2 run.batch=2" to try it
set -eu
usage() {
    echo "usage: sh models/nano/train.sh MODEL [OUT] [OPTION OF TRAIN]..., $1" >&2
    exit 2
}
model=${1:-}
case $model in
autoencoder | segmenter | motion | video | tracker | unet-motion | unet-video | unet-ti2v) shift ;;
*) usage "got MODEL '$model'" ;;
esac
out=train
case ${1:--} in
-*) ;;
*)
    # Words of the commands are split at spaces below.
    case $1 in
    *[!A-Za-z0-9_./+-]*) usage "expected letters, digits and ._/+- in OUT, got '$1'" ;;
    /*) out=${1%/} ;;
    *) out=$PWD/${1%/} ;;
    esac
    case $out in
    *[!A-Za-z0-9_./+-]*) usage "expected letters, digits and ._/+- in the path of OUT, got '$out'" ;;
    esac
    shift
    ;;
esac
for value in ${TRAIN_SET:-}; do
    set -- "$@" --set "$value"
done
cd "$(dirname "$0")/../.."

# Each command stands in backquotes in its row of the tables, its folder after --out.
commands=$(grep -o '`thrumask train [^`]*`' models/nano/CARD.md | tr -d '`' |
    grep -E -- "--out train/$model(-pairs|-[0-9]+)?( |\$)")
case " $* " in
# What was trained on a graphics card is trained where the options say.
*" --device "*) commands=$(echo "$commands" | sed 's/ --device gpu//') ;;
esac
case "$commands $*" in
*" --device gpu"*) program=${THRUMASK:-cargo run --release --features gpu --} ;;
*) program=${THRUMASK:-cargo run --release --} ;;
esac
if [ "$out" != train ]; then
    # The tracker's configuration names the folder that it begins with.
    commands=$(echo "$commands" | sed -e "s|--out train/|--out $out/|" -e "s|run.start=train/|run.start=$out/|" \
        -e "s|--out $out/tracker\$|& --set run.start=$out/tracker-pairs/checkpoint.safetensors|")
fi
last=
while read -r _ _ command; do
    last=${command#*--out }
    last=${last%% *}
    echo "== thrumask train $command $*" >&2
    # Words of the card are options, none of which has a space.
    # shellcheck disable=SC2086
    $program train $command "$@" </dev/null
done <<COMMANDS
$commands
COMMANDS
if [ ! -f "$last/model.safetensors" ]; then
    echo "nothing was trained: no $last/model.safetensors" >&2
    exit 0
fi
cp "$last/model.safetensors" "$out/$model.safetensors"
echo "$out/$model.safetensors"
