"""Sections of a model card: choice of the recipe, laboratories held out, the sets in training, single failures."""

from collections.abc import Sequence

from dala.hub.laboratories import Laboratories
from dala.hub.report import Report, SourceRow
from dala.markdown import table
from dala.publishing import card_text, laboratories_text
from dala.publishing.card_beside import Beside, Rate
from dala.publishing.card_notes import CardNotes
from dala.publishing.laboratories_text import METRICS, Metric

__all__ = ["choice", "data", "expected", "failures", "laboratories", "ranked", "shift"]

EQUAL = ", if both classes had as many pictures"


def choice(report: Report) -> str | None:
    """The candidates of the recipe as a table; None where there are none."""
    if not report.get("choice"):
        return None
    every = report["choice"]
    outside = list(dict.fromkeys(name for run in every.values() for name in run.get("laboratories", {})))
    rows = [
        [
            title + (" (chosen)" if run["chosen"] else ""),
            ", ".join(f"`{k}={v}`" for k, v in run["settings"].items()) or "–",
            *(laboratories_text.figure(run["figures"][key]) for key in ("auc", "balanced_accuracy")),
            *(laboratories_text.figure(run.get("laboratories", {}).get(name, [None] * 3)) for name in outside),
            *([f"{run['rank']:.2f}"] if "rank" in run else []),
        ]
        for title, run in every.items()
    ]
    ranks = ["mean rank"] if any("rank" in run for run in every.values()) else []
    return table(["candidate", "differs in", "AUC", "balanced accuracy", *(f"AUC, {n}" for n in outside), *ranks], rows)


def ranked(report: Report) -> str | None:
    """Which candidate the rule of mean ranks prefers; None where no laboratory was held out."""
    ranks = {title: run["rank"] for title, run in report.get("choice", {}).items() if "rank" in run}
    if not ranks:
        return None
    least = min(ranks.values())
    first = [title for title, rank in ranks.items() if rank == least]
    return f"{' and '.join(first)} ha{'s' if len(first) == 1 else 've'} the lowest mean rank, {least:.2f}."


def laboratories(beside: Beside, notes: CardNotes) -> str | None:
    """The tables of recipes on laboratories held out and under shifts, with the lesson; None without a table."""
    if not beside.laboratories:
        return None
    found = beside.laboratories
    parts = []
    for metric, label in METRICS.items():
        title = label[0].upper() + label[1:]
        parts += [
            f"{title}{EQUAL if metric == 'called' else ''}:",
            table(*laboratories_text.cells(found, metric, notes)),
        ]
    if said := laboratories_text.notes(found, notes):
        parts.append("\n".join(f"- {note}" for note in said))
    drawn, titles = laboratories_text.points(found, notes)
    if sentences := laboratories_text.lesson(drawn, titles):
        parts += ["![Recipes at home against laboratories held out](laboratories.png)", " ".join(sentences)]
    return "\n\n".join(parts)


def expected(beside: Beside) -> str | None:
    """What to expect in another laboratory, in a sentence; None where none was held out."""
    found = beside.laboratories
    aucs, called = (_outside(found, metric) for metric in ("auc", "called"))
    if not aucs:
        return None
    return (
        f"On {len(aucs)} laborator{'y' if len(aucs) == 1 else 'ies'} held out the recipe ranks "
        f"pictures with an AUC of {_range(aucs)} and calls {_range([100 * c for c in called], 0)} % malignant"
        f"{EQUAL}: in another laboratory the order of pictures may hold, and the probability need not."
    )


def shift(beside: Beside) -> str | None:
    """How often the check of laboratories speaks, in a sentence; None where it was not fitted."""
    rates = beside.shift
    if not rates or not rates["own"]:
        return None
    parts = [f"on {_shares(rates['own'])} whose patients were left out of its fit"]
    if rates["left_out"]:
        parts.append(f"on {_shares(rates['left_out'])} if that laboratory is left out as a whole")
    if rates["outside"]:
        parts.append(f"on {_shares(rates['outside'])}, which it was never fitted to")
    return f"The check of laboratories, which stands beside a probability, speaks {'; '.join(parts)}."


def failures(report: Report, beside: Beside) -> str | None:
    """The pictures most confidently wrong: of patients held out, and of laboratories held out."""
    rows = report["scores"].get("failures")
    parts = []
    if rows:
        listed = "; ".join(f"patient {r['patient']}: {laboratories_text.failure(r)}" for r in rows)
        parts.append(f"- patients held out, one picture of each: {listed}.")
    if beside.laboratories:
        parts += [f"- {line}" for line in laboratories_text.failures(beside.laboratories)]
    return "\n".join(parts) or None


def data(report: Report, notes: CardNotes, beside: Beside) -> str | None:
    """The training pictures: a table of the sets where source files describe them, else a list item."""
    rows = report["provenance"].get("sources")
    if not rows:
        return card_text.sentences(report, notes)["data"]
    said = f"\n- {notes.data}" if notes.data else ""
    return _sources(rows, beside) + said


def _sources(rows: Sequence[SourceRow], beside: Beside) -> str:
    """The sets in training as a table, then what to cite for each, and for the sets that were scored only."""
    body = [
        [
            row["title"], row["laboratory"], str(row["images"]), _number(row["patients"]), f"{row['weight']:g}",
            _zoom(row["zoom"]), row["licence"] or "not stated",
        ]
        for row in rows
    ]  # fmt: skip
    head = ["set", "laboratory", "pictures", "patients", "weight", "zoom", "licence"]
    cited = [_cited(row["title"], row.get("citation"), row.get("note")) for row in rows]
    for one in (beside.laboratories or {"laboratories": {}})["laboratories"].values():
        if one["kind"] == "outside" and one["title"] not in {row["title"] for row in rows}:
            licence = one.get("licence") or "licence not stated"
            cited.append(_cited(f"{one['title']} (scored only; {licence})", one.get("citation"), None))
    return f"{table(head, body)}\n\n" + "\n".join(filter(None, cited))


def _outside(found: Laboratories | None, metric: Metric) -> list[float]:
    """A metric of the published recipe on every outside laboratory with an AUC."""
    if not found or not found["recipes"]:
        return []
    scores = next(iter(found["recipes"].values()))["scores"]
    rows = [row for key, row in scores.items() if found["laboratories"][key]["kind"] == "outside"]
    return [value for row in rows if row["auc"][0] is not None and (value := row[metric][0]) is not None]


def _range(values: Sequence[float], digits: int = 2) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _shares(rates: Sequence[Rate]) -> str:
    return ", ".join(f"{100 * r['spoken'] / max(r['pictures'], 1):.0f} % of {r['title']}" for r in rates)


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _zoom(value: float | list[float] | None) -> str:
    if value is None:
        return "fitted"
    return ", ".join(f"{one:g}" for one in (value if isinstance(value, list) else [value]))


def _cited(title: str, citation: str | None, note: str | None) -> str:
    words = ". ".join(text.rstrip(".") for text in (citation, note) if text)
    return f"- {title}: {words}." if words else ""
