#!/usr/bin/env bash
# Makes everything in this folder again, from the pictures and the ImageNet start. On 2 cores:
#   DATA=BreaKHis_v1 INIT=resnet50_imagenet.safetensors bash weights/regenerate.sh choose    # which recipe
#   DATA=BreaKHis_v1 INIT=resnet50_imagenet.safetensors bash weights/regenerate.sh score     # the table and the weights
# Every run can be interrupted and goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
RUNS=${RUNS:-runs}
PYTHON=${PYTHON:-.venv/bin/python}

train() { # name, options
    local name=$1
    shift
    $PYTHON -m dala train --data "$DATA" --init "$INIT" --cache "$RUNS/features" --out "$RUNS/$name" --resume "$@"
}

# The recipes were written down here before any fold was scored. Each is compared inside the training patients of the
# first partition (--inner): a fold that is scored later takes no part, the fold after it is scored in its stead.
declare -A RECIPES=(
    [plain]="--crop 352"
    [averaged]="--crop 352 --epochs 6 --ema 0.95"
    [larger]="--height 690 --width 1050 --crop 528"
)

choose() {
    for name in plain averaged larger; do
        train "inner-$name" --inner ${RECIPES[$name]}
    done
    $PYTHON -m dala compare "$RUNS"/inner-{plain,averaged,larger}
}

"$1"
