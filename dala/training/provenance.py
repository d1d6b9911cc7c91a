"""What a network was trained on, as its report and its weights state it."""

from collections.abc import Sequence

from dala.data import source_rows
from dala.data.datasets import Dataset
from dala.data.items import Item
from dala.hub.report import Provenance, Start
from dala.training import phantom_data
from dala.training.config import Settings

__all__ = ["of"]


def of(settings: Settings, dataset: Dataset, train: Sequence[Item], start: Start) -> Provenance:
    """The sets and the initial weights of a network.

    Args:
        settings: of the run, resolved.
        dataset: all pictures.
        train: those that the network is trained on, or for a report all of them.
        start: initial weights.
    """
    first = dataset.sources[0]
    # With the first set's laboratory left out, its pictures are scored and none is trained on.
    counted = [i for i in train if i.source == first.title] or list(train)
    titles = dict.fromkeys(i.source for i in counted)
    provenance: Provenance = {"data": phantom_data.name(settings) or ", ".join(titles)}
    if settings.data.format == "breakhis":
        provenance["magnification"] = settings.data.magnification
    known = all(s.patients != "unknown" for s in dataset.sources if s.title in titles)
    patients = len({i.patient for i in counted}) if known else None
    provenance |= {"images": len(counted), "patients": patients}
    if sets := source_rows.rows(dataset, train):
        provenance["sources"] = sets
    if settings.data.leave_out:
        provenance["left_out"] = list(settings.data.leave_out)
    provenance["start"] = start
    return provenance
