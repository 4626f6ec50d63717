"""Package data in a checkout and in an installed wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fastprefill import resources
from fastprefill.errors import FastprefillError

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["sim", "hls_templates", "bitstreams", "extern/sv", "tools/techmap", "boards/kv260.toml"]


@pytest.mark.parametrize("name", NAMES)
def test_path_in_a_checkout(name: str) -> None:
    found = resources.path(name)
    assert found.exists()
    assert ROOT in found.parents


def test_path_of_unknown_data() -> None:
    with pytest.raises(FastprefillError, match="data 'no_such' of fastprefill is missing"):
        resources.path("no_such")


def test_path_in_an_installed_wheel(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'fastprefill[dev]'")
    wheels = tmp_path / "wheels"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = wheels.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # what pip does with a wheel of pure Python
    code = (
        "import fastprefill; from fastprefill import resources\n"
        f"print(fastprefill.__file__, *(resources.path(n) for n in {NAMES}), sep='\\n')"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(site)}, cwd=tmp_path,
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout.split()  # fmt: skip
    assert len(printed) == 1 + len(NAMES)
    for line in printed:
        assert site in Path(line).parents
    # Data files are the same as in the checkout, none left out.
    for name in ("sim", "hls_templates", "extern/sv"):
        inside = {p.name for p in (site / "fastprefill").glob(f"**/{name}/*") if p.is_file()}
        assert inside == {p.name for p in resources.path(name).iterdir() if p.is_file()}
