#!/usr/bin/env bash
# pytorch-grad-cam keeps the feature maps that its hook is given without copying them. torchvision's DenseNet applies
# relu(inplace=True) to the output of its last normalisation right after that hook has run. What the library then weighs
# is not the target layer's output but its ReLU, and the map is another one, without a word. (On a GPU the library's copy
# to the CPU keeps the values.)
#
# Versions: grad-cam 1.5.7, torch 2.14.1, torchvision 0.29.1, on the CPU.
# Output seen:
#   lowest value of the layer's output: -3.82, of what the library kept: 0.00
#   kept is relu(output): True
#   rank correlation of the library's map and Grad-CAM of the layer's output: 0.87
# Source: pytorch_grad_cam/activations_and_gradients.py (save_activation), torchvision/models/densenet.py (forward).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q grad-cam==1.5.7 torch==2.14.1 torchvision==0.29.1 2> "$folder/log" || { tail -5 "$folder/log"; exit 1; }
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

torch.manual_seed(0)
model = torchvision.models.densenet121(weights=None).eval()
picture = torch.rand(1, 3, 224, 224)
layer = model.features.norm5

library = GradCAM(model=model, target_layers=[layer])
library(input_tensor=picture, targets=[ClassifierOutputTarget(0)])
kept = library.activations_and_grads.activations[0]
gradient = library.activations_and_grads.gradients[0]

with torch.no_grad():
    output = model.features(picture)
weight = gradient.mean((2, 3), keepdim=True)
maps = [(weight * a).sum(1).flatten().numpy() for a in (kept, output)]
ranks = [np.argsort(np.argsort(m)) for m in maps]
agreement = float(np.corrcoef(ranks)[0, 1])

print(f"lowest value of the layer's output: {output.min():.2f}, of what the library kept: {kept.min():.2f}")
print(f"kept is relu(output): {torch.equal(kept, output.relu())}")
print(f"rank correlation of the library's map and Grad-CAM of the layer's output: {agreement:.2f}")
assert output.min() < 0 <= kept.min()
assert torch.equal(kept, output.relu())
assert agreement < 0.99
PYTHON
