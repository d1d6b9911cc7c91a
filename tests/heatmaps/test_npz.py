import base64
import io
import zipfile

import numpy as np
import pytest
import torch

from dala.explain import export
from dala.heatmaps import npz as npz_maps
from dala.heatmaps.npz import RawMapError


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def member(content, name="m.npy"):
    """Build a zip with any content in place of an array."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def header(shape, dtype="<f4", content=b""):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


def test_there_and_back(heat):
    packed = npz_maps.pack({"a": heat, "b": 2 * heat})
    assert torch.equal(npz_maps.read(packed, "b"), 2 * heat)
    assert torch.equal(npz_maps.read(npz_maps.from_text(base64.encodebytes(packed).decode()), "a"), heat)
    assert torch.equal(npz_maps.read(heat.tolist()), heat)
    with np.load(io.BytesIO(packed)) as loaded:
        np.testing.assert_array_equal(loaded["a"], heat.numpy())


@pytest.mark.parametrize("make", [np.asfortranarray, lambda v: v.astype(">f8"), lambda v: v[::-1][::-1]])
def test_all_ways_in_which_numpy_writes_it(heat, make):
    assert torch.equal(npz_maps.read(npz(m=make(heat.numpy()))), heat)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "not an NPZ"),
        (b"PK\3\4 and so on", "not an NPZ"),
        (member(b"no array"), "not an NPZ"),
        (member(header((2, 2), content=b"\0" * 15)), "not an NPZ"),
        (member(header((10**6, 10**6))), "at most 4 million"),
        (member(header((2, 2), "|O", b"cos\nsystem\n")), "numbers, not object"),
        (member(header((-3, 2))), "not an NPZ|rows and columns"),
        (npz(a=np.zeros((2, 2)), b=np.zeros((2, 2))), "holds 2 maps: name one of a, b"),
        (npz(m=np.zeros(4)), "rows and columns"),
        (npz(m=np.zeros((0, 4))), "rows and columns"),
        (npz(m=np.array([["a"]])), "numbers, not <U1"),
        (npz(m=np.array([[-1.0]])), "of at least 0"),
        (npz(m=np.array([[np.nan]])), "of at least 0"),
        (npz(m=np.array([[1e300]])), "of at least 0"),
        ([[1, 2], [3]], "of equal length"),
        ([], "rows and columns"),
        ([1, 2], "rows and columns"),
        ([["a", "b"]], "numbers, not"),
        ([[None]], "numbers, not object"),
        ([[True]], "numbers, not bool"),
        ([[10**400]], "numbers, not object"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(source, words):
    with pytest.raises(RawMapError, match=words):
        npz_maps.read(source)


def test_a_small_archive_does_not_fill_the_memory():
    # 40 MB of zeros in 40 KB: the header's size is read, and no more.
    bomb = member(header((2, 2), content=b"\0" * 40_000_000))
    assert len(bomb) < 50_000
    assert torch.equal(npz_maps.read(bomb), torch.zeros(2, 2))


def test_invalid_names_and_texts():
    with pytest.raises(RawMapError, match="no map 'c' in the NPZ: it holds m"):
        npz_maps.read(npz(m=np.zeros((2, 2))), "c")
    with pytest.raises(RawMapError, match="neither the base64 text"):
        npz_maps.from_text("/etc/passwd")


def test_a_raw_map_alone_gives_the_explanations_threshold(small, patch):
    e = small.explain(patch)
    kept = e.threshold("percentile", 90)
    numbers, mask = export.masked(e.maps["grad_cam"], (96, 128), "percentile", 90)
    assert (numbers["tau"], numbers["kept_area"]) == (kept.tau, kept.kept_area)
    np.testing.assert_array_equal(np.asarray(mask) == 255, kept.mask.numpy())
    own, _ = export.masked(e.maps["grad_cam"])
    assert own["size"] == list(e.maps["grad_cam"].shape)
    assert own["raw_max"] == float(e.maps["grad_cam"].max())


@pytest.mark.parametrize(("size", "words"), [((96, None), "both"), ((0, 5), "one pixel"), ((5000, 5000), "4 million")])
def test_invalid_sizes(heat, size, words):
    with pytest.raises(RawMapError, match=words):
        export.masked(heat, size)
