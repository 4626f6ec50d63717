"""The host programs' drivers of cards, with stand-ins for XRT and PYNQ that run the C simulation.

No card and no driver is here. What is shown is that the drivers name the right kernels, put arguments and registers
where they belong, synchronise buffers and compare what comes back.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastprefill.cli import main
from fastprefill.tools import csim, tiers

ROOT = Path(__file__).parents[2]
STANDINS = Path(__file__).parent / "standins"


class Host:
    """The folder ``host`` of a project of the matrix unit, with its C simulation built."""

    def __init__(self, folder: Path, board: str) -> None:
        if why := csim.missing():
            pytest.skip(why)
        if shutil.which("make") is None:
            pytest.skip("make is not installed")
        project = folder / "project"
        words = [
            "compile",
            "mpu",
            "--param",
            "rows=4",
            "--param",
            "dsp_columns=4",
            "--board",
            board,
            "--out",
            str(project),
        ]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        self.folder, self.vectors = project / "host", project / "vectors"
        self.bitstream = project / "any.bit"
        self.bitstream.touch()
        self.environment = {
            **os.environ, "STANDIN_HOST": str(self.folder), "PYTHONPATH": f"{STANDINS}{os.pathsep}{ROOT}",
            "XILINX_HLS": "", "XILINX_VITIS": "", "XILINX_XRT": str(folder / "xrt"),
        }  # fmt: skip
        assert self.run("make", f"PYTHON={sys.executable}", "csim").returncode == 0
        tiers.note("g++")

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command], cwd=self.folder, env=self.environment, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip

    def check(self, *program: str) -> None:
        """Equal on all cases; different once an expected token is."""
        command = (*program, "--device", "card", "--bitstream", self.bitstream)
        result = self.run(*command)
        assert result.returncode == 0, result.stdout + result.stderr
        assert len(re.findall(r": c: \d+ tokens as expected", result.stdout)) == len(
            list(self.vectors.iterdir())
        )
        assert result.stdout.endswith("mpu on card: equal to the golden vectors\n")
        file = max(self.vectors.glob("*/c.hex"), key=lambda path: path.stat().st_size)
        kept = file.read_text()
        file.write_text(("1" if kept[0] != "1" else "2") + kept[1:])
        result = self.run(*command)
        assert result.returncode == 1 and f"{file.parent.name}: c differs first in token 0" in result.stdout
        file.write_text(kept)


@pytest.mark.slow
def test_a_card_behind_xrt(tmp_path: Path) -> None:
    host = Host(tmp_path, "u280")
    host.check(sys.executable, "run.py")
    (tmp_path / "xrt" / "include").mkdir(parents=True)
    (tmp_path / "xrt" / "lib").mkdir()
    (tmp_path / "xrt" / "include" / "xrt").symlink_to(STANDINS / "xrt")
    empty = ["g++", "-shared", "-x", "c", "/dev/null", "-o", tmp_path / "xrt" / "lib" / "libxrt_coreutil.so"]
    subprocess.run(empty, check=True)
    host.environment["LD_LIBRARY_PATH"] = str(tmp_path / "xrt" / "lib")
    built = host.run("make", "CXXFLAGS=-O1 -Wall -Wextra -Werror -I.", "card")
    assert built.returncode == 0, built.stdout + built.stderr
    host.check("build/run")


@pytest.mark.slow
def test_a_board_under_pynq(tmp_path: Path) -> None:
    host = Host(tmp_path, "kv260")
    host.check(sys.executable, "run.py")
    built = host.run("make", "CXXFLAGS=-O1 -Wall -Wextra -Werror", "card")  # needs nothing but the compiler
    assert built.returncode == 0, built.stdout + built.stderr
    if Path("/sys/class/u-dma-buf").exists():
        pytest.skip("u-dma-buf is loaded here: the program would write to the board")
    result = host.run("build/run", "--device", "card", "--bitstream", host.bitstream)
    assert result.returncode == 2
    assert result.stderr == (
        "run: cannot read /sys/class/u-dma-buf/udmabuf0/size: is the module u-dma-buf loaded?\n"
    )


def test_drivers_that_are_missing(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "hls_templates" / "host"))
    try:
        import devices
    finally:
        sys.path.pop(0)
    for device, package in ((devices.Xrt, "pyxrt"), (devices.Pynq, "pynq")):
        if shutil.which("xbutil"):
            pytest.skip("XRT is installed here")
        with pytest.raises(devices.Error, match=f"there is no {package}: "):
            device({}, "x")
