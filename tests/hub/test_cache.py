"""A model's files in the client's cache, over real HTTP: checked before a branch stands for them."""

import shutil
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir

from dala.hub import cache
from dala.hub.cache import HubError, MissingFileError
from tests.support.fake_hub import COMMIT, Fault
from tests.support.hub_client import BODY, NAMES, fetch


def test_what_was_downloaded_is_found_without_a_request(two_files, serve):
    server = serve(two_files)
    assert cache.cached("you/net", NAMES, None) is None
    content, folder = fetch("of/you")
    assert content == [BODY, b"{}"]
    assert [(folder / name).read_bytes() for name in NAMES] == content
    asked = len(server.requests)
    for revision in ("of/you", COMMIT):
        assert cache.cached("you/net", NAMES, revision) == folder
    assert cache.cached("you/net", NAMES, "main") is None, "of/you alone was asked for"
    assert len(server.requests) == asked
    assert folder.name == COMMIT


def test_the_clients_own_tools_see_it(two_files, serve, tmp_path):
    serve(two_files)
    fetch()
    (repository,) = scan_cache_dir(tmp_path / "cache").repos
    (revision,) = repository.revisions
    assert (repository.repo_id, revision.commit_hash, revision.refs) == ("you/net", COMMIT, {"main"})
    assert {f.file_name for f in revision.files} == set(NAMES)
    assert revision.size_on_disk == len(BODY) + 2


def test_what_the_client_downloaded_is_found_here(two_files, serve, tmp_path):
    server = serve(shutil.copytree(two_files, tmp_path / "repository"))
    ours = fetch()[1]
    assert hf_hub_download("you/net", "config.json", local_files_only=True) == str(ours / "config.json")
    server.commit = COMMIT[::-1]
    (tmp_path / "repository" / "config.json").write_text("[]")
    assert cache.cached("you/net", NAMES, None) == ours
    theirs = {Path(hf_hub_download("you/net", name)).parent for name in NAMES}
    assert {cache.cached("you/net", NAMES, None)} == theirs != {ours}


def test_large_files_come_from_another_host_that_never_sees_the_token(two_files, serve):
    server = serve(two_files, cdn=True)
    assert fetch(token="hf_secret")[0] == [BODY, b"{}"]
    seen = {path.startswith("cdn"): set() for _, path in server.requests}
    for (_, path), headers in zip(server.requests, server.headers, strict=True):
        seen[path.startswith("cdn")].add(headers.get("authorization"))
    assert seen == {False: {"Bearer hf_secret"}, True: {None}}


def test_what_does_not_pass_replaces_nothing(two_files, serve, tmp_path):
    server = serve(shutil.copytree(two_files, tmp_path / "repository"))
    before = fetch()[1]
    server.commit = COMMIT[::-1]
    (tmp_path / "repository" / "config.json").write_text("[]")

    def refuse(folder):
        assert (folder / "config.json").read_text() == "[]"
        raise ValueError("of no use")

    with pytest.raises(ValueError, match="of no use"):
        cache.download("you/net", NAMES, refuse)
    assert cache.cached("you/net", NAMES, None) == before
    after = fetch()[1]
    assert cache.cached("you/net", NAMES, None) == after == before.with_name(COMMIT[::-1])
    assert cache.cached("you/net", NAMES, COMMIT) == before


def test_a_size_that_is_too_much(two_files, serve):
    server = serve(two_files)
    with pytest.raises(HubError, match="model.safetensors has 400,000 bytes, and 1,000 is the most"):
        fetch(most=1000)
    assert not server.gets()


def test_a_file_beside_is_asked_for_once_and_so_is_its_absence(two_files, serve, tmp_path):
    server = serve(shutil.copytree(two_files, tmp_path / "repository"))
    (tmp_path / "repository" / "README.md").write_text("# A card")
    folder = fetch()[1]
    before = len(server.requests)
    for _ in range(2):
        assert cache.another_file(folder, "you/net", "README.md") == folder / "README.md"
        assert cache.another_file(folder, "you/net", "samples/samples.json") is None
    assert (folder / "README.md").read_text() == "# A card"
    assert [path.rsplit("/", 1)[1] for _, path in server.requests[before:]] == [
        "README.md",
        "README.md",
        "samples.json",
    ]
    server.faults["you/net"] = Fault(503)
    with pytest.raises(HubError, match="answers 503"):
        cache.another_file(folder, "you/net", "report.json")


@pytest.mark.parametrize("repo", ["you/.git", "you/a--b", f"you/{'x' * 100}"])
def test_an_id_that_cannot_be(repo, two_files, serve):
    server = serve(two_files)
    for ask in (lambda: cache.cached(repo, NAMES, None), lambda: cache.download(repo, NAMES, str)):
        with pytest.raises(HubError, match="not a Hub id"):
            ask()
    assert not server.requests


def test_a_missing_file_has_an_error_of_its_own(two_files, serve):
    serve(two_files)
    with pytest.raises(MissingFileError) as caught:
        cache.download("you/net", ["other.bin"], str)
    assert caught.value.name == "other.bin"
    assert set(caught.value.others) == set(NAMES)


def test_damage_in_the_cache_is_seen_and_mended(two_files, serve):
    serve(two_files)
    folder = fetch()[1]
    for name, content in zip(NAMES, (BODY, b"{}"), strict=True):
        assert cache.intact(folder / name)
        (folder / name).resolve().write_bytes(content[::-1])
        assert not cache.intact(folder / name)
    assert fetch() == ([BODY, b"{}"], folder)
