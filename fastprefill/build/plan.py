"""A build is data: paths and their bytes. Writing it is one atomic step."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fastprefill.errors import FastprefillError

GENERATOR = "fastprefill"
MANIFEST = "manifest.json"
# written beside the plan by later steps; never counted as the user's work
OWN_RESULTS = ("steps.json", "verify.json")
OWN_FOLDER = "build"


@dataclass(frozen=True)
class BuildPlan:
    """Files of a project: relative POSIX path -> content. The same input gives the same bytes."""

    files: Mapping[str, bytes]

    def digest(self) -> str:
        """SHA-256, as hex, over paths and contents in the order of the paths; the manifest, which records it, apart."""
        total = hashlib.sha256()
        for path in sorted(set(self.files) - {MANIFEST}):
            for part in (path.encode(), self.files[path]):
                total.update(len(part).to_bytes(8, "little"))
                total.update(part)
        return total.hexdigest()

    def file_digests(self) -> dict[str, str]:
        """Path -> SHA-256 of its content, as hex."""
        return {path: hashlib.sha256(self.files[path]).hexdigest() for path in sorted(self.files)}

    def write(self, folder: Path, *, beside: Mapping[str, bytes] | None = None, force: bool = False) -> None:
        """Put the project into `folder`: all of it, or nothing.

        The files are written to a folder beside it, which then takes its name. A project that this
        generator wrote earlier is replaced; anything else is left alone.

        Args:
            folder: may be missing, empty, or an earlier project.
            beside: more files, which are no part of the plan (such as times).
            force: replace an earlier project even where its files were changed since.

        Raises:
            FastprefillError: the folder is somebody else's or was changed, or the disk refuses.
        """
        check_replaceable(folder, force=force)
        folder = folder.resolve()  # a link keeps pointing at the project
        made = _missing_parents(folder)
        aside = folder.parent / f".{folder.name}.{os.getpid()}.new"
        old = folder.parent / f".{folder.name}.{os.getpid()}.old"
        done = False
        try:
            aside.mkdir(parents=True)
            for path, content in {**self.files, **(beside or {})}.items():
                target = aside / _checked(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            if folder.exists():
                folder.rename(old)
            aside.rename(folder)
            done = True
        except OSError as error:
            raise FastprefillError(_disk_sentence(folder, error)) from None
        finally:  # on Ctrl-C too
            if not done:
                if old.exists() and not folder.exists():
                    old.rename(folder)
                shutil.rmtree(aside, ignore_errors=True)
                for parent in made:
                    _remove_empty(parent)
            shutil.rmtree(old, ignore_errors=True)


def check_replaceable(folder: Path, *, force: bool = False) -> None:
    """Refuse a target that is not ours to replace; asked before the work as well as before writing.

    Raises:
        FastprefillError: a file, somebody else's folder, a project with changed files, or a place where no folder can
            be made.
    """
    try:
        if not folder.exists() and not folder.is_symlink():
            _check_place(folder)
            return
        if not folder.is_dir():
            raise FastprefillError(f"'{folder}' exists and is not a folder; choose another --out")
        if not any(folder.iterdir()):
            return
        manifest = read_manifest(folder)
    except PermissionError:
        raise FastprefillError(
            f"'{folder}' cannot be looked into: permission denied; choose another --out"
        ) from None
    if manifest is None:
        raise FastprefillError(
            f"'{folder}' exists and was not made by {GENERATOR} (it has no {MANIFEST} of ours); "
            "choose another --out or remove it"
        )
    found = changes(folder, manifest)
    changed = sorted(found.changed + found.added)
    if changed and not force:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise FastprefillError(
            f"'{folder}' has files changed or added since it was generated ({', '.join(changed[:3])}{more}); "
            "keep them elsewhere, or replace them with --force"
        )


def _check_place(folder: Path) -> None:
    parent = next(parent for parent in folder.absolute().parents if parent.exists() or parent.is_symlink())
    if not parent.is_dir():
        raise FastprefillError(f"cannot make '{folder}': '{parent}' is not a folder; choose another --out")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise FastprefillError(
            f"cannot make '{folder}': '{parent}' cannot be written; choose another --out, or change its permissions"
        )


def read_manifest(folder: Path) -> dict[str, object] | None:
    """The manifest of a project of ours, or None where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("generator") != GENERATOR:
        return None
    return manifest


@dataclass(frozen=True)
class Changes:
    """How a project's folder differs from what was written: relative paths, in order."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.missing)

    def line(self) -> str:
        """One sentence that names the files; empty when there are none."""
        if not self:
            return ""
        parts = []
        for what, paths in (("changed", self.changed), ("added", self.added), ("missing", self.missing)):
            if paths:
                more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
                parts.append(f"{what}: {', '.join(paths[:5])}{more}")
        return f"the folder is no longer what {GENERATOR} wrote ({'; '.join(parts)})"


def changes(folder: Path, manifest: Mapping[str, object]) -> Changes:
    """Compare every file below `folder` with the digests of its manifest; results of later steps do not count."""
    recorded = manifest.get("files")
    digests: dict[str, str] = recorded if isinstance(recorded, dict) else {}
    found: dict[str, str] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        path = file.relative_to(folder).as_posix()
        if path == MANIFEST or path in OWN_RESULTS or OWN_FOLDER in path.split("/")[:-1]:
            continue
        found[path] = hashlib.sha256(file.read_bytes()).hexdigest()
    return Changes(
        changed=tuple(path for path in found if path in digests and found[path] != digests[path]),
        added=tuple(path for path in found if path not in digests),
        missing=tuple(sorted(set(digests) - set(found))),
    )


def _checked(path: str) -> PurePosixPath:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise FastprefillError(f"the path '{path}' leaves the project folder")
    return pure


def _missing_parents(folder: Path) -> list[Path]:
    """Parents that will be made, innermost first."""
    return [parent for parent in folder.parents if not parent.exists()]


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # not made, or used by somebody else meanwhile
        return


def _disk_sentence(folder: Path, error: OSError) -> str:
    reasons = {
        errno.ENOSPC: "the disk is full; make room or choose another --out",
        errno.EDQUOT: "the disk quota is used up; make room or choose another --out",
        errno.EROFS: "the disk is read-only; choose another --out",
        errno.EACCES: "permission denied; choose another --out",
        errno.EPERM: "permission denied; choose another --out",
    }
    return f"cannot write '{folder}': {reasons.get(error.errno or 0, error.strerror or str(error))}"
