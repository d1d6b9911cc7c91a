"""Synthetic patches whose evidence is known.

- `slide`: stain maps of a patch, and the microscope that photographs it.
- `background`: tissue around the lesion, drawn independently of the class.
- `lesions`: the malignant-like and the benign-like lesion.
- `artifacts`: decoys, such as ink or a fold.
- `phantom`: one patch with its masks.
- `dataset`: write a labelled set with its masks.
"""
