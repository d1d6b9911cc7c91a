"""One module for each tab.

- `explain`: Grad-CAM and DT Grad-CAM side by side.
- `walkthrough`: Grad-CAM in six steps.
- `threshold_lab`: a map, its threshold, and the network's output.
- `compare`: several methods side by side.
- `agreement`: how far they agree, as a table.
- `trust`: three checks of a map, and a verdict.
- `results`: the quality of the network and the methods.
- `results_report`: its section on the cross-validated report.
- `results_laboratories`: its section on laboratories held out.
- `results_benchmark`: its section on the benchmark of methods.
- `results_maps`: its section on where on real tissue the maps lie.
- `results_tissue`: its section on the tissue check.
- `results_shift`: its section on the check of laboratories.
- `glossary`: the glossary of each tab.
- `tables`: tables as HTML.
"""
