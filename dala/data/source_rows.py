"""The sets of a run as rows, as its report, its settings and `dala data check` list them."""

from collections import Counter
from collections.abc import Sequence

from dala.data.datasets import Dataset
from dala.data.items import Item
from dala.data.source_files import Source
from dala.hub.report import SourceRow

__all__ = ["recipe", "rows"]


def rows(dataset: Dataset, items: Sequence[Item]) -> list[SourceRow]:
    """A row of each set that has pictures among `items`; none for a single folder, which nothing describes."""
    if len(dataset.sources) == 1 and not dataset.sources[0].described:
        return []
    parts = [(source, [i for i in items if i.source == source.title]) for source in dataset.sources]
    return [_row(source, part, dataset.class_names) for source, part in parts if part]


def recipe(rows: Sequence[SourceRow]) -> str:
    """The sets and their weights in one line, such as "BreakHis + 0.3 BRCA tissue tiles"."""
    return " + ".join(r["title"] if r["weight"] == 1 else f"{r['weight']:g} {r['title']}" for r in rows)


def _row(source: Source, items: Sequence[Item], class_names: Sequence[str]) -> SourceRow:
    count = Counter(i.label for i in items)
    zooms = sorted({round(i.zoom, 4) for i in items if i.zoom is not None})
    row: SourceRow = {
        "title": source.title,
        "laboratory": source.laboratory,
        "images": len(items),
        "patients": None if source.patients == "unknown" else len({i.patient for i in items}),
        "classes": {name: count[k] for k, name in enumerate(class_names)},
        "weight": source.weight,
        "zoom": zooms[0] if len(zooms) == 1 else zooms or None,
        "licence": source.licence,
    }
    if source.citation:
        row["citation"] = source.citation
    if source.note:
        row["note"] = source.note
    return row
