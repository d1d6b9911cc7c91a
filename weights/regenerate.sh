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

# The recipes, written down before any fold was scored. Each is compared inside the training patients of the first
# partition (--inner): a fold that is scored later takes no part, the fold after it is scored in its stead.
SIZE="--height 690 --width 1050 --views 2 --probe-lr 1e-4 --probe-epochs 20"
declare -A RECIPES=(
    [frozen]="$SIZE --epochs 0"
    [gentle]="$SIZE --crop 528 --epochs 2 --lr 5e-6 --head-lr 2e-5"
    [averaged]="$SIZE --crop 528 --epochs 2 --lr 2e-5 --head-lr 1e-4 --ema 0.95"
)

choose() {
    for name in "${!RECIPES[@]}"; do
        train "inner-$name" --inner ${RECIPES[$name]}
    done
    $PYTHON -m dala compare "$RUNS"/inner-{frozen,gentle,averaged}
}

"$1"
