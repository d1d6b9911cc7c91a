"""The decomposition of Grad-CAM: the parts add up, and the sentences about them are true."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dala import DALAResNet50, Explainer, cli, models
from dala.explain import gate
from dala.explain.decomposition import MOST, Steps, StepsError, parse
from dala.heatmaps import render
from dala.lessons import contact_sheet, walkthrough, walkthrough_files
from dala.models import serialization
from dala.phantoms import phantom
from dala.publishing import model_folder


@pytest.fixture(scope="module")
def explained(small, patch):
    return small.explain(patch)


@pytest.fixture(scope="module")
def steps(explained):
    return Steps.of(explained)


def network(classes: int, seed: int = 0) -> Explainer:
    """Random weights for so many classes, 128x96 px, on the CPU."""
    torch.manual_seed(seed)
    size = {"height": 96, "width": 128}
    return Explainer(DALAResNet50([f"class {i}" for i in range(classes)], size).eval(), device="cpu")


@pytest.fixture(scope="module")
def none_for_benign(small):
    """A network that sees nothing for its first class: its logit falls with every activation."""
    model = DALAResNet50(small.class_names, small.preprocessing)
    model.load_state_dict(small.model.state_dict())
    with torch.no_grad():
        for layer in (model.head.layers[0], model.head.layers[3]):
            layer.weight.abs_()
        model.head.layers[-1].weight[0] = -1
    return Explainer(model.eval(), device="cpu")


def test_the_parts_of_all_channels_add_up_to_the_signed_map(explained, steps):
    expected = explained.signed["grad_cam"]
    assert steps.activations.shape == (2048, 3, 4)
    torch.testing.assert_close(steps.parts().double().sum(0).float(), expected, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(steps.contributions.sum(), expected.mean(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_they_add_up_at_other_layers_too(small, patch, layer):
    e = small.explain(patch, layer=layer)
    parts = Steps.of(e).parts().double().sum(0).float()
    torch.testing.assert_close(parts, e.signed["grad_cam"], rtol=1e-3, atol=1e-6)


def test_the_ranking_is_by_what_a_channel_contributes(steps):
    sizes = [abs(float(steps.weights[k] * steps.activations[k].mean())) for k in steps.ranking.tolist()]
    assert sizes == sorted(sizes, reverse=True)
    first = steps.ranking[:MOST].tolist()
    assert steps.share(first) == pytest.approx(sum(sizes[:MOST]) / sum(sizes), rel=1e-4)
    assert 0 < steps.share(first) < 1
    assert steps.share(range(2048)) == pytest.approx(1)


def test_places_go_from_the_strongest_for_to_the_strongest_against(steps):
    assert int(steps.places[steps.weights.argmax()]) == 1
    assert int(steps.places[steps.weights.argmin()]) == 2048
    assert sorted(steps.places.tolist()) == list(range(1, 2049))


def test_the_gradient_is_flat_behind_global_pooling_and_not_below(small, patch, steps):
    assert steps.flat
    torch.testing.assert_close(steps.weights[:, None, None].expand_as(steps.gradient), steps.gradient)
    below = Steps.of(small.explain(patch, layer="layer3"))
    assert not below.flat
    assert 0.01 < below.unevenness < 2


def test_a_gradient_that_is_zero(steps):
    nothing = Steps(steps.activations, torch.zeros_like(steps.gradient))
    assert nothing.flat
    assert nothing.share([1, 2]) == 0
    assert nothing.parts().abs().max() == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("", []), (None, []), (" 7, 512;1961\n", [7, 512, 1961]), ("3 3 3", [3]), ("0", [0])]
)
def test_channels_are_read(text, expected):
    assert parse(text, 2048) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [("2048", "no channel '2048': give numbers from 0 to 2047"), ("-1", "no channel"), ("seven", "no channel 'seven'"),
     ("9" * 5000, "no channel"), ("²", "no channel"), (",".join(map(str, range(13))), "13 channels are too many")],
)  # fmt: skip
def test_channels_that_do_not_exist_are_refused(text, words):
    with pytest.raises(StepsError, match=words):
        parse(text, 2048)


def test_the_gate_is_the_attentions_own(small, patch):
    layers = small.explain_layers(patch, ("layer3", "layer4", "attention"))
    assert layers["layer4"].gate is None
    own = layers["attention"].gate
    with torch.no_grad():
        expected = small.model.attention.gate(layers["layer4"].activations)[0, :, 0, 0]
        scaled = layers["layer4"].activations[0] * own[:, None, None]
    torch.testing.assert_close(own, expected)
    torch.testing.assert_close(layers["attention"].activations[0], scaled)
    assert 0 < own.min() < own.max() < 1


def test_a_pass_takes_its_gates_to_another_device(small, patch):
    done = small.engine.run(small.preprocess(patch), ("attention",), lambda logits: [("benign", lambda y: y[:, 0])])
    assert done.to(torch.device("meta")).gates["attention"].device.type == "meta"


def test_the_gate_belongs_to_its_picture_in_a_batch(small, patch, explained):
    other = phantom.make(4, size=(128, 96)).picture
    first, second = small.explain_batch([patch, other])
    torch.testing.assert_close(first.gate, explained.gate, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second.gate, small.explain(other).gate, rtol=1e-4, atol=1e-5)
    assert (first.gate - second.gate).abs().max() > 1e-3


def test_the_average_gate(small, patch, tmp_path):
    pictures = [patch, phantom.make(4, size=(128, 96)).picture, phantom.make(5, size=(128, 96)).picture]
    average = gate.measure(small, pictures, "three phantoms")
    expected = torch.stack([small.explain(p).gate for p in pictures]).mean(0)
    torch.testing.assert_close(average.mean, expected)
    assert average.pictures == 3
    again = gate.read(gate.write(average, tmp_path, "abc"), "abc", 2048)
    torch.testing.assert_close(again.mean, average.mean, rtol=0, atol=5.1e-5)
    assert (again.pictures, again.data) == (3, "three phantoms")
    assert [f.name for f in tmp_path.iterdir()] == [gate.FILE]
    with pytest.raises(gate.GateError, match="other weights"):
        gate.read(tmp_path / gate.FILE, "def", 2048)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"mean": 3, "pictures": 1, "data": ""}', '{"mean": [2], "pictures": 1, "data": ""}',
     '{"mean": [0.5], "pictures": 0, "data": ""}', '{"mean": [0.5, 0.5], "pictures": 1, "data": ""}',
     '{"mean": [NaN], "pictures": 1, "data": ""}', '{"mean": [0.5], "pictures": 1e999, "data": ""}', "[" * 100000,
     '{"mean": [0.5], "pictures": 1, "data": "' + " " * 1000000 + '"}', '{"mean": ["x"], "pictures": 1, "data": ""}'],
)  # fmt: skip
def test_a_file_that_is_no_average_is_refused(tmp_path, content):
    (tmp_path / gate.FILE).write_text(content)
    with pytest.raises(gate.GateError, match="write it again"):
        gate.read(tmp_path / gate.FILE, "abc", 1)


@pytest.mark.parametrize("classes", [3, 8])
def test_every_class_of_other_networks_is_described(patch, classes):
    explainer = network(classes)
    e = explainer.explain(patch)
    for name in explainer.class_names:
        again = explainer.retarget(e, name)
        steps = Steps.of(again)
        parts = walkthrough.describe(again, steps)
        assert len(parts) == len(walkthrough.TITLES)
        assert f"for {name}" in parts[0].sentence
        torch.testing.assert_close(
            steps.parts().double().sum(0).float(), again.signed["grad_cam"], rtol=1e-3, atol=1e-7
        )


def test_the_sentences_state_what_was_measured(explained, steps):
    parts = walkthrough.describe(explained, steps)
    value = float(explained.logits[explained.class_names.index(explained.target)])
    assert f"y = {value:.2f} for {explained.target}".replace("-", "−") in parts[0].sentence
    assert parts[0].tiles[0].picture.size == (128, 96)
    first = steps.ranking[:MOST].tolist()
    assert f"{100 * steps.share(first):.0f} % of the whole" in parts[1].sentence
    for number in (1, 2):
        assert [t.title for t in parts[number].tiles] == [f"channel {k}" for k in first]
        assert all(t.picture.size == (4, 3) and t.alt for t in parts[number].tiles)
    top = float(steps.activations[first[0]].max())
    assert parts[1].tiles[0].caption == f"maximum {render.number(top, top)}"
    assert "averages every map" in parts[2].sentence
    assert all(t.alt.endswith("everywhere") for t in parts[2].tiles)
    assert "one part in" in parts[2].note
    against = float((explained.signed["grad_cam"] < 0).float().mean())
    assert f"{100 * against:.0f} % of the cells" in parts[4].sentence
    assert len(parts[3].charts) == 2


def test_own_channels_are_shown_in_their_order(explained, steps):
    parts = walkthrough.describe(explained, steps, [1961, 7])
    assert [t.title for t in parts[1].tiles] == ["channel 1961", "channel 7"]
    assert "the 2 that you chose" in parts[1].sentence
    assert parts[3].charts[0].count("<rect") == 2


def test_the_kept_and_the_cut_part_make_the_signed_sum(explained, steps):
    # Turned by its mean, so that it has both signs whatever the weights.
    e = replace(explained, signed={"grad_cam": explained.signed["grad_cam"] - explained.signed["grad_cam"].mean()})
    signed = e.signed["grad_cam"]
    parts = Steps(torch.cat([steps.activations, signed[None]]), torch.cat([steps.gradient * 0, torch.ones(1, 3, 4)]))
    tiles = walkthrough.describe(e, parts)[4].tiles
    whole, kept, cut = (np.asarray(t.picture).astype(int) for t in tiles[1:])
    assert (signed > 0).any()
    assert (signed < 0).any()
    np.testing.assert_array_equal(kept[signed > 0], whole[signed > 0])
    np.testing.assert_array_equal(cut[signed < 0], whole[signed < 0])
    zero = contact_sheet.colours(signed=True)[128]
    assert (kept[signed < 0] == zero).all()
    assert (cut[signed > 0] == zero).all()


def test_a_class_without_evidence_has_a_sentence_and_no_overlay(none_for_benign, patch):
    e = none_for_benign.explain(patch, "benign")
    assert e.maps["grad_cam"].max() == 0
    parts = walkthrough.describe(e, Steps.of(e))
    assert "no evidence for benign is left at attention" in parts[4].sentence
    assert parts[4].tiles[2].caption == "zero everywhere"
    assert (np.asarray(parts[4].tiles[2].picture) == contact_sheet.NOTHING).all()
    assert "no evidence for benign at attention" in parts[5].sentence


def test_weights_that_are_all_zero_are_stated(explained, steps):
    parts = walkthrough.describe(explained, Steps(steps.activations, torch.zeros_like(steps.gradient)))
    assert parts[3].sentence.startswith("Every weight is zero")


def test_the_gate_is_compared_with_the_average(explained):
    mean = explained.gate.clone()
    mean[5], mean[9] = 0.0, 1.0
    parts = walkthrough.gate(explained, gate.AverageGate(mean, 2081, "BreakHis"), [5])
    assert "2,081 pictures (BreakHis)" in parts.sentence
    assert f"above the average: 5 (0.00 → {explained.gate[5]:.2f})" in parts.note
    assert f"furthest below it: 9 (1.00 → {explained.gate[9]:.2f})" in parts.note
    assert "no gate" in walkthrough.gate(replace(explained, features=None), None, []).sentence


def test_numbers_have_the_digits_of_the_largest():
    assert render.number(0.000327, 0.000626, sign=True) == "+0.000327"
    assert render.number(-0.0067, 0.0415, sign=True) == "−0.0067"
    assert render.number(-1e-9, 0.0415, sign=True) == "0.0000"
    assert render.number(1234.5, 1234.5) == "1234"
    assert render.number(0.0, 0.0) == "0"


def test_colours_of_maps():
    values = torch.tensor([[-2.0, 0.0, 1.0, 2.0]])
    table = contact_sheet.colours(signed=True)
    low, zero, half, high = np.asarray(contact_sheet.draw(values, 2.0, signed=True))[0]
    np.testing.assert_array_equal((low, zero, half, high), table[[0, 128, 191, 255]])
    plain = np.asarray(contact_sheet.draw(values.relu(), 2.0, signed=False))[0]
    np.testing.assert_array_equal(plain, render.palette()[[0, 0, 128, 255]])
    assert contact_sheet.draw(values * 0, 0.0, signed=True).getpixel((0, 0)) == contact_sheet.NOTHING
    # No red mistaken for a green: the ends differ in lightness or along blue and yellow.
    assert abs(int(table[0][2]) - int(table[255][2])) > 50


def test_the_files_let_the_map_be_computed_again(small, explained, steps):
    average = gate.AverageGate(explained.gate * 0 + 0.5, 3, "three")
    display = {"colours": "viridis", "opacity": 0.5, "look": "veil"}
    written = walkthrough_files.files(explained, small, [], average, "percentile", 80, display)
    assert sorted(written) == [
        "1_input.png", "2_feature_maps.png", "3_gradients.png", "4_weights_1.svg", "4_weights_2.svg",
        "5_weighted_sum.png", "6_upsampling.png", "gate.svg", "numbers.json", "numbers.npz",
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(written["1_input.png"]))), explained.picture)
    arrays = np.load(io.BytesIO(written["numbers.npz"]))
    again = np.maximum(np.einsum("k,khw->hw", arrays["weights"], arrays["activations"]), 0)
    np.testing.assert_allclose(again, explained.maps["grad_cam"].numpy(), rtol=1e-3, atol=1e-6)
    assert "gradient" not in arrays
    numbers = json.loads(written["numbers.json"])
    assert [c["channel"] for c in numbers["channels"]] == steps.ranking[:MOST].tolist()
    assert (numbers["target"], numbers["rule"], numbers["strength"]) == (explained.target, "percentile", 80)
    assert list(numbers["steps"]) == list(walkthrough.TITLES)
    assert numbers["average_gate_of"] == {"data": "three", "pictures": 3}


def test_the_command_writes_the_average_beside_the_weights(small, patch, patch_file, broken_file, tmp_path, capsys):
    model, data = tmp_path / "model", tmp_path / "data"
    serialization.save(small.model, model)
    config = json.loads((model / "config.json").read_text())
    config["preprocessing"]["magnification"] = "100X"
    (model / "config.json").write_text(json.dumps(config))
    data.mkdir()
    patch.save(data / "SOB_B_A-14-22549AB-100-001.png")
    patch.rotate(180).save(data / "SOB_B_A-14-22549AB-200-001.png")
    arguments = ["gate", "--data", str(data), "--model", str(model), "--device", "cpu"]
    assert cli.main(arguments) == 0
    loaded = models.load(model)
    average = gate.read(loaded.beside(gate.FILE), loaded.sha256, 2048)
    assert (average.pictures, average.data) == (1, "data")
    expected = Explainer(loaded.model, "cpu").explain(patch).gate
    torch.testing.assert_close(average.mean, expected, rtol=0, atol=1e-4)
    (data / "broken.png").write_bytes(broken_file.read_bytes())
    assert cli.main(arguments) == 2
    assert "broken.png: The picture is damaged" in capsys.readouterr().err
    assert gate.read(loaded.beside(gate.FILE), loaded.sha256, 2048).pictures == 1


def test_the_average_is_published_with_its_weights_alone(small, explained, tmp_path):
    model = tmp_path / "model"
    digest = serialization.save(small.model, model)
    average = gate.AverageGate(explained.gate, 2, "two")
    gate.write(average, model, digest)
    model_folder.prepare(model, tmp_path / "out")
    assert gate.read(tmp_path / "out" / gate.FILE, digest, 2048).data == "two"
    gate.write(average, model, "another")
    with pytest.raises(gate.GateError, match="other weights"):
        model_folder.prepare(model, tmp_path / "again")


@pytest.mark.parametrize("kind", ["nowhere", "empty"])
def test_the_command_refuses_a_folder_without_pictures(tmp_path, capsys, kind):
    folder = tmp_path / kind
    if kind == "empty":
        folder.mkdir()
    assert cli.main(["gate", "--data", str(folder), "--device", "cpu"]) == 2
    assert "pictures" in capsys.readouterr().err
