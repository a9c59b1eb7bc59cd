#!/bin/sh
# Trains an embedded model from nothing by the commands of CARD.md, one after the other; a run that was
# interrupted goes on, and one that is finished is passed over.
#
#     sh models/nano/train.sh MODEL [OPTION OF TRAIN]...
#
# MODEL: autoencoder, segmenter, motion, video, tracker, unet-motion, unet-video or unet-ti2v. The options are
# added to every run ("--threads 1"; "--set run.steps=2" to try it; "--device cpu" for the U-Nets, which began
# on a graphics card). The last run's folder has the model.
# THRUMASK names the program, "cargo run --release --" when left out.
set -eu
cd "$(dirname "$0")/../.."
model=${1:-}
case $model in
autoencoder | segmenter | motion | video | tracker | unet-motion | unet-video | unet-ti2v) shift ;;
*)
    echo "usage: sh models/nano/train.sh MODEL [OPTION OF TRAIN]..., got MODEL '$model'" >&2
    exit 2
    ;;
esac
program=${THRUMASK:-cargo run --release --}
last=
# Each command stands in backquotes in its row of the tables, its folder after --out.
commands=$(grep -o '`thrumask train [^`]*`' models/nano/CARD.md | tr -d '`' |
    grep -E -- "--out train/$model(-pairs|-[0-9]+)?( |\$)")
case " $* " in
# What was trained on a graphics card is trained where the options say.
*" --device "*) commands=$(echo "$commands" | sed 's/ --device gpu//') ;;
esac
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
echo "$last/model.safetensors"
