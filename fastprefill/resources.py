"""Data folders that live beside the code: templates, testbenches, SystemVerilog parts, boards.

In a checkout (or an editable install) the top-level folders are read in place; a wheel carries them under
``fastprefill/_data``. Callers name a folder and do not see the difference.
"""

from __future__ import annotations

from pathlib import Path

from fastprefill.errors import FastprefillError

_PACKAGE = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """The data folder or file `name`.

    Args:
        name: a top-level data folder (``"sim"``, ``"hls_templates"``, ``"bitstreams"``), a folder of the
            package (``"boards"``, ``"extern/sv"``), or a path below one of them.

    Raises:
        FastprefillError: nothing of that name was installed.
    """
    for root in _roots():
        found = root / name
        if found.exists():
            return found
    raise FastprefillError(
        f"data {name!r} of fastprefill is missing from {_PACKAGE}: the installation is incomplete; "
        "install the package again with pip"
    )


def _roots() -> list[Path]:
    """Where data may lie, in the order of search."""
    checkout = _PACKAGE.parent
    roots = [_PACKAGE / "_data", _PACKAGE]
    # Only a checkout has its own folders next to the package; site-packages may hold a foreign "sim".
    if (checkout / "pyproject.toml").is_file():
        roots.append(checkout)
    return roots
