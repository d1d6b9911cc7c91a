"""Labelled pictures on disk: data-set layouts, patients, splits, duplicates.

- `items`: a labelled picture and its patient.
- `layouts`: folder layouts of public data sets.
- `class_map`: the class of every finest class.
- `source_files`: sets described in JSON: classes, scale, laboratory, licence.
- `scales`: the scale of a set against that of the first one.
- `sources`: several sets as one.
- `source_rows`: the sets of a run as rows of its report.
- `hub_pictures`: data sets of pictures on the Hugging Face Hub.
- `groups`: `groups.csv`, the patients of data sets whose folders do not name them.
- `tables`: CSV files of pictures, with any usual delimiter and names of columns.
- `listing`: the pictures of a folder, without masks and the like.
- `copies`: one file of each picture.
- `folder_levels`: which folders are classes, patients, or sides of a split.
- `label_tables`: labels from tables beside the pictures.
- `given_splits`: splits that come with the pictures.
- `resolver`: all of these for one folder.
- `statement`: what was found, in lines.
- `datasets`: read a data set from its folder.
- `fields`: crops of fields with outlined tumour.
- `duplicates`: find duplicate pictures.
- `splits`: partitions into folds, by patient or by picture.
- `loading`: decode items at the network's scale.
"""
