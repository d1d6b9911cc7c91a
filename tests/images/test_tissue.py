"""The warning before the probabilities: raised for other pictures, and not for tissue."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dala import cli
from dala.images import reading, stain_statistics, tissue
from dala.phantoms import phantom
from dala.publishing import samples
from dala.ui.tabs import results_tissue
from tests.support import non_tissue

STORED = json.loads(tissue.FILE.read_text(encoding="utf-8"))
EXAMPLES = [sample.file for sample in samples.find()]


def plain(colour, size=(300, 200)):
    return Image.new("RGB", size, colour)


def noisy():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["chelsea.png", "astronaut.png", "coffee.png", "page.png", "camera.png", "rocket.jpg"])
def test_a_cat_an_astronaut_a_cup_and_a_page_are_warned_of(name):
    text = tissue.warning(reading.read(non_tissue.SKIMAGE / name))
    assert text.startswith("This does not look like a haematoxylin-eosin patch: ")
    assert text.endswith(". The network names a class for any picture; do not interpret this one.")


@pytest.mark.parametrize("picture", [plain("white"), plain("pink"), plain("grey"), plain("black"), noisy()])
def test_blank_slides_and_noise_are_warned_of(picture):
    assert tissue.check(picture).unlike


def test_the_reason_is_what_is_seen():
    assert tissue.BARE in tissue.warning(plain("white"))
    grey = next(iter(non_tissue.make("mammograms, imitated")))
    assert tissue.GREY in tissue.warning(grey)
    assert tissue.OTHER in tissue.warning(reading.read(non_tissue.SKLEARN / "flower.jpg"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda p: p.name)
def test_the_samples_are_not_warned_of(file):
    assert tissue.warning(reading.read(file)) is None


@pytest.mark.parametrize("size", [(128, 96), (350, 230), (700, 460)])
def test_phantoms_are_not_warned_of(size):
    assert [seed for seed in range(6) if tissue.warning(phantom.make(seed, size=size).picture)] == []


@pytest.mark.real_data
def test_real_patches_are_hardly_ever_warned_of(real_patches):
    warned = [file.name for file in real_patches if tissue.warning(reading.read(file))]
    assert len(warned) <= max(1, 0.02 * len(real_patches)), warned


def test_a_picture_reduced_before_is_the_same_to_the_check():
    picture = phantom.make(1).picture
    assert stain_statistics.statistics(stain_statistics.reduced(picture)) == stain_statistics.statistics(picture)
    assert max(stain_statistics.reduced(picture).size) == stain_statistics.SIDE


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 4000), (4000, 1), (3, 2), (7000, 5000)])
def test_any_size_gives_finite_statistics_and_a_reason(size):
    for picture in (Image.new("RGB", size, (200, 120, 180)), Image.new("L", size), Image.new("RGB", size, "white")):
        seen = tissue.check(picture)
        assert np.isfinite(list(stain_statistics.statistics(picture).values())).all()
        assert seen.unlike
        assert np.isfinite(seen.distance)
        assert seen.reasons


def test_the_same_pixels_give_the_same_bytes():
    picture = phantom.make(5, size=(350, 230)).picture
    first, second = (np.array(list(stain_statistics.statistics(p).values())) for p in (picture, picture.copy()))
    assert first.tobytes() == second.tobytes()
    one, two = (non_tissue.make("noise") for _ in range(2))
    assert [p.tobytes() for p in one] == [p.tobytes() for p in two]


def test_the_file_holds_what_the_code_measures():
    assert STORED["statistics"] == list(stain_statistics.statistics(plain("white"))) == list(tissue.WORDING)
    precision = np.array(STORED["precision"])
    np.testing.assert_allclose(precision, precision.T, rtol=1e-4, atol=1e-4)
    assert np.linalg.eigvalsh(precision).min() > 0
    assert min(STORED["scale"]) > 0
    assert [row["name"] for row in STORED["unlike"]] == list(non_tissue.KINDS)


def test_the_rates_are_what_is_promised():
    assert results_tissue.rate(STORED["tissue"]) <= 0.02
    breakhis = next(row for row in STORED["tissue"] if row["name"] == "BreakHis")
    assert breakhis["warned"] <= 0.02 * breakhis["pictures"]
    assert results_tissue.rate(STORED["unlike"]) >= 0.95
    assert sum(row["pictures"] for row in STORED["unlike"]) >= 200


@pytest.mark.parametrize("kind", ["photographs", "photographs in the stain's two tones", "blank slides", "noise"])
def test_a_stored_rate_is_measured_again(kind):
    row = next(row for row in STORED["unlike"] if row["name"] == kind)
    pictures = non_tissue.make(kind)
    assert len(pictures) == row["pictures"]
    # Decoders and fonts differ a little between machines.
    assert abs(sum(tissue.check(p).unlike for p in pictures) - row["warned"]) <= max(1, 0.05 * len(pictures))


def test_the_page_shows_the_stored_rates():
    text = results_tissue.page()
    assert f"{100 * results_tissue.rate(STORED['tissue']):.1f} % raise the warning without reason" in text
    assert f"{100 * results_tissue.rate(STORED['unlike']):.1f} % raise it" in text
    for row in STORED["unlike"]:
        assert f"<td>{row['pictures']}</td><td>{100 * row['warned'] / row['pictures']:.1f} %</td>" in text


def test_nothing_but_numpy_and_pillow_is_needed():
    for module in (stain_statistics, tissue):
        source = Path(module.__file__).read_text(encoding="utf-8")
        assert not any(f"import {name}" in source for name in ("skimage", "sklearn", "scipy", "gradio", "torch"))


@pytest.fixture
def cat(tmp_path):
    folder = tmp_path / "cats"
    folder.mkdir()
    reading.read(non_tissue.SKIMAGE / "chelsea.png").save(folder / "cat.png")
    return folder / "cat.png"


def test_an_explanation_carries_the_warning_of_the_original_picture(small, cat, patch):
    e = small.explain(cat)
    assert e.warning == tissue.warning(reading.read(cat))
    assert small.retarget(e, "benign").warning == e.warning
    assert [one.warning for one in small.explain_batch([patch, cat])] == [None, e.warning]


def test_the_command_line_warns_in_one_line_and_in_the_files(small_folder, cat, tmp_path, capsys):
    arguments = ["--model", str(small_folder), "--device", "cpu"]
    assert cli.main(["explain", str(cat), "--out", str(tmp_path / "one"), *arguments]) == 0
    expected = tissue.warning(reading.read(cat))
    assert capsys.readouterr().err.splitlines() == [f"{cat}: {expected}"]
    assert json.loads((tmp_path / "one" / "cat" / "explanation.json").read_text())["warning"] == expected
    assert cli.main(["explain", str(cat.parent), "--out", str(tmp_path / "all"), *arguments]) == 0
    assert f"{cat}: {expected}" in capsys.readouterr().err.splitlines()
    assert expected in (tmp_path / "all" / "summary.csv").read_text()
