"""Labelled pictures on disk: data-set layouts, patients, splits, duplicates.

- `items`: a labelled picture and its patient.
- `layouts`: folder layouts of public data sets.
- `groups`: `groups.csv`, the patients of data sets whose folders do not name them.
- `datasets`: read a data set from its folder.
- `duplicates`: find duplicate pictures.
- `splits`: partitions into folds, by patient or by picture.
- `loading`: decode items at the network's scale.
"""
