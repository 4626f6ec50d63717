"""`fastprefill bitstream` with programs that stand in for AMD's: they look for their inputs and write their outputs.

No vendor tool runs here. What is shown is that the right commands run in order, that what is missing or unfit is said,
and that a failure is explained.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastprefill import boards
from fastprefill.cli import main
from fastprefill.tools import vendor

LOGS = Path(__file__).parent / "logs"
TINY = Path(__file__).parents[2] / "examples" / "tiny-llama"
EXAMPLE = Path(__file__).parents[2] / "examples" / "moving-sum" / "moving_sum.py"
U280_PLATFORM = boards.load("u280").platform

# One script is every tool. It writes its command to calls.txt, refuses a missing input and makes the output.
STANDIN = """#!/bin/bash
case "$1" in -version|--version) echo "****** {tool} v{version} (64-bit)"; exit 0;; esac
echo "{tool} $*" >> {calls}
if [ -n "{log}" ] && [[ "$*" == *"{fails}"* ]]; then cat "{log}"; exit {status}; fi
out="" previous=""
for word in "$@"; do
    case "$previous" in
        --output) out="$word";;
        --config|-source|-image|--tcl|-f) [ -f "$word" ] || {{ echo "ERROR: no $word"; exit 1; }};;
    esac
    case "$word" in *.cpp) [ -f "$word" ] || {{ echo "ERROR: no $word"; exit 1; }};; esac
    previous="$word"
done
case "$*" in
    *package.tcl)
        unit=$(basename ../*_ip.v _ip.v)
        mkdir -p "ip/$unit"; touch "$unit.xo" "ip/$unit/component.xml";;
    *movers.tcl) mkdir -p ip; touch ip/movers.done;;
    *block_design.tcl) touch "$(basename ../*_ip.v _ip.v).bit";;
    *.bif) for f in *.bit; do touch "$f.bin"; done;;
esac
[ -z "$out" ] || touch "$out"
cat "{success}" 2>/dev/null
exit 0
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Tools":
    return Tools(tmp_path, monkeypatch)


class Tools:
    """A folder of stand-ins that is first on PATH, and a platform."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.calls_file = folder / "bin", folder / "calls.txt"
        self.folder.mkdir()
        self.noted: list[str] = []
        monkeypatch.setattr(vendor.tiers, "note", self.noted.append)  # a stand-in is no tier that ran
        monkeypatch.setenv("PATH", f"{self.folder}:{os.environ['PATH']}")
        for name in ("PLATFORM", "XILINX_VITIS"):
            monkeypatch.delenv(name, raising=False)
        platform = folder / "platforms" / U280_PLATFORM / f"{U280_PLATFORM}.xpfm"
        platform.parent.mkdir(parents=True)
        platform.touch()
        self.platform = platform
        monkeypatch.setenv("PLATFORM_REPO_PATHS", str(folder / "platforms"))

    def install(
        self, *names: str, version: str, fails: str = "-", log: str = "", status: int = 1, success: str = ""
    ) -> None:
        for name in names:
            script = self.folder / name
            given = str(LOGS / f"{log}.log") if log else ""
            told = str(LOGS / f"{success}.log") if success else "/dev/null"
            script.write_text(
                STANDIN.format(
                    tool=name,
                    version=version,
                    calls=self.calls_file,
                    fails=fails,
                    log=given,
                    status=status,
                    success=told,
                )
            )
            script.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


def compiled(folder: Path, board: str) -> Path:
    project = folder / "project"
    result = invoke("compile", EXAMPLE, "--param", "window=4", "--board", board, "--out", project)
    assert result.exit_code == 0, result.output
    return project


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def u280(tmp_path: Path) -> Path:
    return compiled(tmp_path, "u280")


@pytest.fixture
def kv260(tmp_path: Path) -> Path:
    return compiled(tmp_path, "kv260")


def steps(project: Path) -> int:
    return (project / "bitstream" / "steps.toml").read_text().count("[[step]]")


def test_what_is_missing_is_said(u280: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("vivado") or shutil.which("v++"):
        pytest.skip("AMD's tools are installed here")
    monkeypatch.setenv("PLATFORM_REPO_PATHS", "/nowhere")
    result = invoke("bitstream", u280)
    assert result.exit_code == 2
    assert result.stdout.splitlines()[:4] == [
        "bitstream NOT built; missing here:",
        "- v++ is not on PATH: install Vitis 2022.1 to 2023.2 and source its settings64.sh",
        "- vivado is not on PATH: install Vivado 2022.1 to 2023.2 and source its settings64.sh",
        f"- the platform {U280_PLATFORM} is missing (looked in /nowhere, /opt/xilinx/platforms): install the card's "
        "development platform package from AMD, or set PLATFORM_REPO_PATHS to the folder that has it",
    ]
    assert "vivado NOT run: not installed" in result.stdout
    assert not (u280 / "bitstream" / "build").exists()


def test_dry_run_prints_commands_and_runs_nothing(u280: Path, tools: Tools) -> None:
    tools.install("v++", "vivado", version="2023.1")
    result = invoke("bitstream", u280, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert (data["ran"], data["missing"], tools.calls) == (False, [], [])
    assert len(data["steps"]) == steps(u280)
    link = data["steps"][-1]["command"]
    assert link[:6] == ["v++", "--link", "--target", "hw", "--platform", str(tools.platform)]
    text = invoke("bitstream", u280, "--dry-run").stdout
    assert text.splitlines()[0] == "bitstream NOT built: --dry-run; the commands:"
    assert (
        subprocess.run(
            ["bash", "-n"], input="\n".join(text.splitlines()[1:-1]), text=True, check=False
        ).returncode
        == 0
    )


def test_steps_of_the_u280_in_order(u280: Path, tools: Tools) -> None:
    tools.install("v++", "vivado", version="2023.2")
    result = invoke("bitstream", u280)
    assert result.exit_code == 0, result.output
    assert len(tools.calls) == steps(u280)
    assert all(call.startswith("v++ --compile") for call in tools.calls[:-2])
    assert tools.calls[-2].startswith("vivado ") and "../package.tcl" in tools.calls[-2]
    assert tools.calls[-1].startswith("v++ --link") and "--config ../link.cfg" in tools.calls[-1]
    assert result.stdout.startswith("made ") and ".xclbin" in result.stdout.splitlines()[0]
    assert (u280 / "bitstream" / "build" / "link.log").is_file()
    assert set(tools.noted) == {"vitis_hls", "vivado"}

    again = invoke("bitstream", u280)
    assert again.exit_code == 0 and len(tools.calls) == steps(u280)  # nothing was to be done
    os.utime(u280 / "bitstream" / "link.cfg")
    invoke("bitstream", u280)
    assert len(tools.calls) == steps(u280) + 1  # the link alone
    os.utime(next((u280 / "rtl").glob("*.sv")))
    invoke("bitstream", u280)
    assert len(tools.calls) == steps(u280) + 3  # packaged and linked


@pytest.mark.parametrize(("version", "hls"), [("2023.2", "vitis_hls"), ("2024.2", "vitis-run")])
def test_steps_of_the_kv260_in_order(kv260: Path, tools: Tools, version: str, hls: str) -> None:
    tools.install(hls, "vivado", "bootgen", version=version)
    result = invoke("bitstream", kv260)
    assert result.exit_code == 0, result.output
    start = {
        "vitis_hls": "vitis_hls -f ../movers.tcl",
        "vitis-run": "vitis-run --mode hls --tcl ../movers.tcl",
    }[hls]
    assert tools.calls[0] == start
    assert [call.split()[-1] for call in tools.calls[1:3]] == ["../package.tcl", "../block_design.tcl"]
    assert tools.calls[3].startswith("bootgen -arch zynqmp")


def test_the_makefile_runs_the_same_commands(kv260: Path, tools: Tools) -> None:
    tools.install("vitis-run", "vivado", "bootgen", version="2024.2")
    made = subprocess.run(["make", "-C", kv260 / "bitstream"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    by_make = sorted(tools.calls)
    shutil.rmtree(kv260 / "bitstream" / "build")
    tools.calls_file.unlink()
    assert invoke("bitstream", kv260).exit_code == 0
    assert sorted(tools.calls) == by_make


@pytest.mark.parametrize("version", ["2021.2", "2024.1"])
def test_a_release_that_cannot_build(u280: Path, tools: Tools, version: str) -> None:
    tools.install("v++", "vivado", version=version)
    result = invoke("bitstream", u280)
    assert result.exit_code == 2 and tools.calls == []
    assert (
        f"- vivado {version} cannot build for AMD Alveo U280; versions that can: 2022.1 to 2023.2 ("
        in result.stdout
    )
    assert f"- vitis {version} cannot build" in result.stdout


def test_tools_of_two_releases(u280: Path, tools: Tools) -> None:
    tools.install("v++", version="2023.1")
    tools.install("vivado", version="2023.2")
    result = invoke("bitstream", u280)
    assert result.exit_code == 2
    assert (
        "- the tools are of different releases (v++ is 2023.1, vivado is 2023.2): source one settings64.sh alone"
        in result.stdout
    )


def test_a_tool_without_a_version(u280: Path, tools: Tools) -> None:
    tools.install("v++", "vivado", version="unknown")
    result = invoke("bitstream", u280)
    assert result.exit_code == 2 and "does not tell a version: is the installation whole?" in result.stdout


def test_a_platform_file_that_is_not_there(u280: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.install("v++", "vivado", version="2023.2")
    monkeypatch.setenv("PLATFORM", "/nowhere/x.xpfm")
    result = invoke("bitstream", u280)
    assert result.exit_code == 2
    assert (
        "- PLATFORM is '/nowhere/x.xpfm', and there is no such file: name an .xpfm file, or unset it"
        in result.stdout
    )


@pytest.mark.parametrize(
    ("log", "quote", "told"),
    [
        ("too_large", "link.log:3 says “ERROR: [VPL 30-640]", "a smaller one (--rows, --dsp-columns, --lut-columns)"),
        ("timing", "link.log:3 says “ERROR: [VPL 101-2]", "lower clock_mhz"),
        ("unknown", "link.log:2 says “ERROR: [v++ 98-7654]", "no explanation"),
    ],
)
def test_a_step_that_fails_is_explained(u280: Path, tools: Tools, log: str, quote: str, told: str) -> None:
    tools.install("vivado", version="2023.2")
    tools.install("v++", version="2023.2", fails="--link", log=log, status=3)
    result = invoke("bitstream", u280)
    assert result.exit_code == 1
    error = result.stderr.splitlines()[-1]
    assert error.startswith("fastprefill: the step 'link' ended with status 3; " + quote)
    assert told in error and error.endswith(f"Whole log: {u280}/bitstream/build/link.log")
    assert "Traceback" not in result.output


def test_details_in_a_log_further_down(u280: Path, tools: Tools) -> None:
    tools.install("vivado", version="2023.2")
    tools.install("v++", version="2023.2", fails="--link", log="unknown")
    inner = u280 / "bitstream" / "build" / "link" / "runme.log"
    inner.parent.mkdir(parents=True)
    shutil.copy(LOGS / "license.log", inner)
    result = invoke("bitstream", u280, "--json")
    assert result.exit_code == 1
    assert "runme.log:11 says “ERROR: [Common 17-345]" in json.loads(result.stdout)["error"]


def test_a_step_that_makes_nothing(u280: Path, tools: Tools) -> None:
    tools.install("vivado", version="2023.2")
    tools.install("v++", version="2023.2", fails="--link", log="clean", status=0)
    result = invoke("bitstream", u280)
    assert result.exit_code == 1
    assert "the step 'link' ended well, but made no build/" in result.stderr
    assert "no error is in " in result.stderr


def test_a_slower_clock_is_noted(u280: Path, tools: Tools) -> None:
    tools.install("vivado", version="2023.2")
    tools.install("v++", version="2023.2", success="slower")
    result = invoke("bitstream", u280)
    assert result.exit_code == 0, result.output
    assert "build/link.log: timing was not met, the bitstream runs at 231.4 MHz" in result.stdout


def test_a_project_without_a_build(tmp_path: Path) -> None:
    result = invoke("bitstream", tmp_path)
    assert result.exit_code == 1
    assert f"'{tmp_path}' is no project of fastprefill" in result.stderr
    text = (Path(boards.__file__).parent / "kv260.toml").read_text()
    (tmp_path / "bare.toml").write_text(text.replace('"kv260"', '"bare"'))
    project = compiled(tmp_path, str(tmp_path / "bare.toml"))
    assert not (project / "bitstream").exists()
    result = invoke("bitstream", project)
    assert result.exit_code == 1 and "has no bitstream build" in result.stderr and "'bare'" in result.stderr


U55C = """
name = "u55c"
title = "AMD Alveo U55C"
part = "xcu55c-fsvh2892-2L-e"
speed_grade = "-2L"
clock_mhz = 250.0
status = "generated; the vendor tools have not been run"
platform = "xilinx_u55c_gen3x16_xdma_3_202210_1"
build = "u280"                     # the flow of the cards
slr = [                            # a third of the device each: the platform's share is not taken off in this test
    {lut = 434560, ff = 869120, dsp = 3008, bram36 = 672, uram = 320},
    {lut = 434560, ff = 869120, dsp = 3008, bram36 = 672, uram = 320},
    {lut = 434560, ff = 869120, dsp = 3008, bram36 = 672, uram = 320},
]
tool_versions = {vitis = "2023.2", vivado = "2023.2"}
tool_ranges = {vitis = ["2022.1"], vivado = ["2022.1"]}
delays = {lut = 0.45, carry_per_bit = 0.020, dsp = 1.84, bram = 1.30, ff_setup = 0.30}

[[memory]]
name = "HBM"
bytes = 17179869184
ports = 32
port_bits = 256
mover_bits = 512
gigabytes_per_second = 460.0
"""


def test_a_third_board_is_one_file(tmp_path: Path, tools: Tools) -> None:
    (tmp_path / "u55c.toml").write_text(U55C)
    project = compiled(tmp_path, str(tmp_path / "u55c.toml"))
    platform = tmp_path / "platforms" / "xilinx_u55c_gen3x16_xdma_3_202210_1.xpfm"
    platform.touch()
    tools.install("v++", "vivado", version="2024.2")
    result = invoke("bitstream", project)
    assert result.exit_code == 0, result.output
    assert f"--platform {platform}" in tools.calls[-1]
    assert "xcu55c-fsvh2892-2L-e" in (project / "bitstream" / "package.tcl").read_text()
    assert ":HBM[1]" in (project / "bitstream" / "link.cfg").read_text()


def test_a_third_board_gets_three_matrix_units(tmp_path: Path) -> None:
    (tmp_path / "u55c.toml").write_text(U55C)
    words = ("--rows", "4", "--dsp-columns", "2", "--lut-columns", "2", "--k-parallel", "2")
    out = tmp_path / "project"
    result = invoke("generate", "--model", TINY, "--board", tmp_path / "u55c.toml", "--out", out, *words)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "manifest.json").read_text())["board"]["name"] == "u55c"
    assert "mpu2" in (out / "bitstream" / "slr.tcl").read_text()
