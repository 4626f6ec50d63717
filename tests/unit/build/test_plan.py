"""A build plan: digests, atomic writing, what may be replaced."""

import errno
import json
import os
from pathlib import Path

import pytest

from fastprefill.build.plan import BuildPlan, check_replaceable
from fastprefill.errors import FastprefillError


def plan(**files: bytes) -> BuildPlan:
    """A project of ours in miniature: the files, and a manifest that records them."""
    content = {name.replace("__", "/"): data for name, data in files.items()}
    manifest = {"generator": "fastprefill", "files": BuildPlan(content).file_digests()}
    return BuildPlan(content | {"manifest.json": json.dumps(manifest).encode()})


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_digest_depends_on_paths_and_contents_alone() -> None:
    one = BuildPlan({"a": b"1", "b": b"2"})
    assert one.digest() == BuildPlan({"b": b"2", "a": b"1"}).digest()
    others = [{"a": b"12", "b": b""}, {"a": b"1", "c": b"2"}, {"a": b"1"}, {"ab": b"12"}]
    assert len({one.digest(), *(BuildPlan(files).digest() for files in others)}) == 5


def test_writes_all_files_and_those_beside(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    made = plan(rtl__x=b"module", y=b"z")
    made.write(out, beside={"steps.json": b"{}"})
    assert tree(out) == {**made.files, "steps.json": b"{}"}
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_replaces_its_own_project(tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan(old=b"1").write(out, beside={"steps.json": b"{}"})
    (out / "verify.json").write_text("{}")
    plan(new=b"2").write(out)
    assert set(tree(out)) == {"new", "manifest.json"}


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    plan(x=b"1").write(out)
    assert (out / "x").read_bytes() == b"1"


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FastprefillError) as caught:
        plan(x=b"1").write(tmp_path, force=True)
    assert str(caught.value) == (
        f"'{tmp_path}' exists and was not made by fastprefill (it has no manifest.json of ours); "
        "choose another --out or remove it"
    )
    assert tree(tmp_path) == {"thesis.tex": b"years of work"}


def test_somebody_elses_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a browser extension"}')
    with pytest.raises(FastprefillError, match=r"was not made by fastprefill"):
        check_replaceable(tmp_path)


def test_changed_files_are_kept_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan(x=b"1", y=b"2").write(out)
    (out / "x").write_text("edited")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FastprefillError) as caught:
        plan(x=b"3").write(out)
    assert str(caught.value) == (
        f"'{out}' has files changed or added since it was generated (notes.txt, x); "
        "keep them elsewhere, or replace them with --force"
    )
    assert (out / "x").read_text() == "edited"
    plan(x=b"3").write(out, force=True)
    assert (out / "x").read_bytes() == b"3" and not (out / "notes.txt").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("x")
    with pytest.raises(FastprefillError) as caught:
        plan(x=b"1").write(out)
    assert str(caught.value) == f"'{out}' exists and is not a folder; choose another --out"


def test_a_place_where_no_folder_can_be_is_refused_before_the_work(tmp_path: Path) -> None:
    out = tmp_path / "file" / "out"
    out.parent.write_text("x")
    with pytest.raises(FastprefillError) as caught:
        check_replaceable(out)
    assert str(caught.value) == f"cannot make '{out}': '{out.parent}' is not a folder; choose another --out"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FastprefillError, match="cannot be written; choose another --out, or change its permissions"):
        check_replaceable(tmp_path / "new" / "out")


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_interrupted_writing_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool, stop: type[BaseException]
) -> None:
    out = tmp_path / "new" / "out"
    if existing:
        plan(x=b"1").write(out)
    before = tree(tmp_path)
    real, calls = Path.write_bytes, []

    def write_bytes(self: Path, data: bytes) -> int:
        calls.append(self)
        if len(calls) == 2:
            raise stop
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(stop):
        plan(x=b"2", y=b"3").write(out)
    assert len(calls) == 2
    assert tree(tmp_path) == before
    assert (tmp_path / "new").exists() == existing


@pytest.mark.parametrize("stop_at", [0, 1])
def test_interrupted_between_the_renames_brings_the_old_project_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    out = tmp_path / "out"
    plan(x=b"1").write(out)
    before = tree(tmp_path)
    real, calls = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == stop_at + 1:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        plan(x=b"2").write(out)
    assert tree(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; make room or choose another --out"),
        (errno.EROFS, "the disk is read-only; choose another --out"),
        (errno.EACCES, "permission denied; choose another --out"),
        (errno.EDQUOT, "the disk quota is used up; make room or choose another --out"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def write_bytes(self: Path, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    out = tmp_path / "out"
    with pytest.raises(FastprefillError) as caught:
        plan(x=b"1").write(out)
    assert str(caught.value) == f"cannot write '{out}': {reason}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x"])
def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    with pytest.raises(FastprefillError, match=r"leaves the project folder$"):
        BuildPlan({path: b""}).write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_project_stays_a_link(tmp_path: Path) -> None:
    plan(x=b"1").write(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    plan(x=b"2").write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "x").read_bytes() == b"2"
