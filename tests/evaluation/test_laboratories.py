"""The fit of the check of laboratories, and its error rates."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala.data import sources
from dala.evaluation import laboratories
from dala.evaluation.laboratories import LaboratoryError, Pictures
from dala.images import laboratory, reading
from tests.support.shifted import NAMES

FEW = ("a", "b", "c", "d")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def gaussian(title, n=400, shift=0.0, patients=40, between=0.0, seed=0):
    random = np.random.default_rng(seed)
    patient = np.arange(n) % patients
    values = random.normal(shift, 1, (n, len(FEW))) + random.normal(0, between, (patients, len(FEW)))[patient]
    return Pictures(title, values, np.full(n, 500.0), np.array([f"{title} {p}" for p in patient]))


def test_one_in_twenty_of_a_laboratorys_own_pictures_is_spoken_of():
    rates = laboratories.measured(FEW, [gaussian("near", 2000)], [gaussian("far", shift=6.0, seed=1)])
    (own,), (far,) = rates["own"], rates["outside"]
    assert own["spoken"] / own["pictures"] == pytest.approx(0.05, abs=0.02)
    assert own["median"] < 1 < far["median"]
    assert far["spoken"] == far["pictures"] == 400
    assert rates["left_out"] == []


def test_patients_that_differ_move_the_threshold_as_their_pictures_alone_would_not():
    pictures = gaussian("near", between=3.0, patients=8)
    by_picture = Pictures("near", pictures.values, pictures.sides, np.arange(400).astype(str))
    (strict,), (naive,) = (laboratories.fit(FEW, [p]).sources for p in (pictures, by_picture))
    assert strict.threshold > 1.1 * naive.threshold


def test_each_known_laboratory_is_also_left_out():
    rates = laboratories.measured(FEW, [gaussian("a"), gaussian("b", shift=8.0)])
    assert [(row["title"], row["spoken"]) for row in rates["left_out"]] == [("a", 400), ("b", 400)]
    assert all(row["spoken"] < 40 for row in rates["own"])


def test_the_fit_does_not_know_the_pictures_outside():
    alone = laboratories.fit(FEW, [gaussian("a")])
    laboratories.measured(FEW, [gaussian("a")], [gaussian("b", shift=3.0)])
    again = laboratories.fit(FEW, [gaussian("a")])
    np.testing.assert_array_equal(alone.sources[0].precision, again.sources[0].precision)
    assert alone.sources[0].threshold == again.sources[0].threshold


def test_every_patient_has_the_same_weight():
    a = gaussian("a", n=300, patients=3)
    more = np.concatenate([np.flatnonzero(a.patients == "a 0")] * 20)
    index = np.concatenate([np.arange(300), more])
    heavy = Pictures("a", a.values[index], a.sides[index], a.patients[index])
    one, other = (laboratories.fit(FEW, [p]).sources[0] for p in (a, heavy))
    np.testing.assert_allclose(one.mean, other.mean)


@pytest.mark.parametrize("pictures", [gaussian("few", n=99), gaussian("one", patients=1)])
def test_too_few_pictures_or_patients_are_refused(pictures):
    with pytest.raises(LaboratoryError, match="do not describe a laboratory"):
        laboratories.fit(FEW, [pictures])
    with pytest.raises(LaboratoryError, match="No laboratory"):
        laboratories.fit(FEW, [])


def test_pictures_are_drawn_from_each_patient_in_turn():
    patients = ["many"] * 50 + ["some"] * 5 + ["one"]
    chosen = laboratories.drawn(patients, 12)
    assert chosen == laboratories.drawn(patients, 12) == sorted(chosen)
    assert Counter(patients[i] for i in chosen) == {"many": 6, "some": 5, "one": 1}
    assert laboratories.drawn(patients) == list(range(56))


def described(title, pictures, patients=None):
    pictures = list(pictures)
    values = np.array([list(laboratory.statistics(p).values()) for p in pictures])
    names = np.array(patients or [str(i) for i in range(len(pictures))])
    return Pictures(title, values, np.array([laboratory.side(p.size) for p in pictures]), names)


def parts(field, zoom):
    """Four patches of the size of BreakHis' pictures."""
    small = field.resize((round(field.width * zoom), round(field.height * zoom)), Image.Resampling.BICUBIC)
    right, lower = small.width - 700, small.height - 460
    return [small.crop((x, y, x + 700, y + 460)) for x in (0, right) for y in (0, lower)]


@pytest.mark.slow
@pytest.mark.real_data
def test_quiet_at_home_and_heard_in_other_laboratories(real_root):
    items = sources.read(sources.open_all([str(real_root)], SHARED, "breakhis", "binary", ["100X"])).items
    home = described("BreakHis", (reading.read(i.path) for i in items), [i.patient for i in items])
    fields = [reading.read(f) for f in sorted(SHARED.glob("external/BCSS/rois/*.jpg"))]
    tiles = sorted(SHARED.glob("BRCA_tissue_tiles/*/*.jpg"))[::60]
    idc = sorted(SHARED.glob("IDC_regular_ps50_idx5/*/*/*.jpg"))[::100]
    outside = [
        described("BRACS", map(reading.read, reading.pictures(SHARED / "external" / "BRACS"))),
        described("BCSS, x0.25", (p for field in fields for p in parts(field, 0.25))),
        described("BCSS, x0.5", (p for field in fields for p in parts(field, 0.5))),
        described("tiles", map(reading.read, tiles)),
        described("IDC", (p for p in map(reading.read, idc) if min(p.size) >= 48)),
    ]
    rates = laboratories.measured(NAMES, [home], outside)
    (own,) = rates["own"]
    assert own["spoken"] <= 0.05 * own["pictures"], own
    for row in rates["outside"]:
        assert row["spoken"] >= 0.8 * row["pictures"], row
