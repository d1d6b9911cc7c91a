"""Labelled pictures on disk: data-set layouts, patients, splits, duplicates."""
