"""The generated Tcl in a plain interpreter: commands of the vendor's are recorded, everything else is real.

No vendor tool runs here: what is shown is that the Tcl is well formed, finds its files and connects each port once.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastprefill.cli import main

tkinter = pytest.importorskip("tkinter", reason="Python has no tkinter, whose Tcl runs the scripts")

EXAMPLE = Path(__file__).parents[2] / "examples" / "moving-sum" / "moving_sum.py"

# Pins are their own names, so that connections can be read; an implementation run leaves what the script copies.
STANDIN = """
proc get_bd_pins name { return $name }
proc get_bd_intf_pins name { return $name }
proc create_bd_cell args { record create_bd_cell {*}$args; return [lindex $args end] }
proc get_board_parts args { return {} }
proc get_runs name { return $name }
proc get_property {name object} { return [dict get {PROGRESS 100% STATUS done STATS.WNS SLACK STATS.WHS HOLD} $name] }
proc wait_on_run name {
    file mkdir vivado/UNIT.runs/impl_1 vivado/UNIT.gen/sources_1/bd/design/hw_handoff
    close [open vivado/UNIT.runs/impl_1/design_wrapper.bit w]
    close [open vivado/UNIT.gen/sources_1/bd/design/hw_handoff/design.hwh w]
}
proc export_design args {
    global mover
    file mkdir hls_$mover/solution/impl/ip
    close [open hls_$mover/solution/impl/ip/component.xml w]
}
proc package_xo args { close [open [dict get $args -xo_path] w] }
proc exit {{status 0}} { error "exit $status" }
proc puts args { record puts {*}$args }
proc unknown args { record {*}$args; return [lindex $args 0] }
"""


class Scripts:
    """A project, and an interpreter for the scripts of its ``bitstream``."""

    def __init__(self, folder: Path, board: str) -> None:
        self.project = folder / "project"
        words = ["compile", str(EXAMPLE), "--param", "window=4", "--board", board, "--out", str(self.project)]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        self.build = self.project / "bitstream" / "build"
        self.build.mkdir()
        self.design = json.loads((self.project / "host" / "design.json").read_text())

    def run(self, name: str, slack: float = 0.1, hold: float = 0.2) -> list[tuple[str, ...]]:
        """The commands that a script gives to the vendor's tool."""
        tcl, calls = tkinter.Tcl(), []
        tcl.createcommand("record", lambda *words: calls.append(tuple(map(str, words))))
        tcl.eval(STANDIN.replace("UNIT", self.design["unit"]).replace("SLACK", str(slack)).replace("HOLD", str(hold)))
        tcl.eval(f"cd {{{self.build}}}")
        here = Path.cwd()
        try:
            tcl.eval((self.project / "bitstream" / name).read_text())
        finally:
            tcl.eval(f"cd {{{here}}}")
        return calls


@pytest.fixture(autouse=True)
def stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tcl changes the folder of the process; this brings it back."""
    monkeypatch.chdir(Path.cwd())


def test_block_design(tmp_path: Path) -> None:
    scripts = Scripts(tmp_path, "kv260")
    calls, unit = scripts.run("block_design.tcl"), scripts.design["unit"]
    cells = [call[-1] for call in calls if call[0] == "create_bd_cell"]
    movers = [stream["mover"] for stream in scripts.design["streams"]]
    assert {unit, *movers, "ps", "reset", "control"} <= set(cells) and len(cells) == len(set(cells))
    ends = Counter(end for call in calls if call[0] == "connect_bd_intf_net" for end in call[1:])
    assert set(ends.values()) == {1}  # an interface is connected once
    for stream in scripts.design["streams"]:
        for end in (f"{stream['mover']}/stream", f"{unit}/{stream['name']}", f"{stream['mover']}/m_axi_gmem"):
            assert ends[end] == 1, end
        assert ends[f"{stream['mover']}/s_axi_control"] == 1
    clocks = [call[2] for call in calls if call[:2] == ("connect_bd_net", "ps/pl_clk0")]
    resets = [call[2] for call in calls if call[:2] == ("connect_bd_net", "reset/peripheral_aresetn")]
    for cell in (unit, *movers):
        assert f"{cell}/ap_clk" in clocks and f"{cell}/ap_rst_n" in resets
    assert len(clocks) == len(set(clocks))
    offsets = [call[2] for call in calls if call[:2] == ("assign_bd_address", "-offset")]
    wanted = [scripts.design["address"], *(stream["address"] for stream in scripts.design["streams"])]
    assert [int(offset, 16) for offset in offsets] == wanted
    assert (scripts.build / f"{unit}.bit").exists() and (scripts.build / f"{unit}.hwh").exists()


@pytest.mark.parametrize(("slack", "hold"), [(-0.25, 0.1), (0.25, -0.01)])
def test_timing_that_is_not_met_ends_the_script(slack: float, hold: float, tmp_path: Path) -> None:
    scripts = Scripts(tmp_path, "kv260")
    with pytest.raises(tkinter.TclError, match="exit 1"):
        scripts.run("block_design.tcl", slack=slack, hold=hold)
    assert not (scripts.build / f"{scripts.design['unit']}.bit").exists()


def test_movers(tmp_path: Path) -> None:
    scripts = Scripts(tmp_path, "kv260")
    with pytest.raises(tkinter.TclError, match="exit 0"):
        scripts.run("movers.tcl")
    for stream in scripts.design["streams"]:
        assert (scripts.build / "ip" / stream["mover"] / "component.xml").exists()
    assert (scripts.build / "ip" / "movers.done").exists()


@pytest.mark.parametrize("board", ["kv260", "u280"])
def test_package(tmp_path: Path, board: str) -> None:
    scripts = Scripts(tmp_path, board)
    calls, unit = scripts.run("package.tcl"), scripts.design["unit"]
    (added,) = [call[1].split() for call in calls if call[0] == "add_files"]
    assert f"../{unit}_ip.v" in added
    assert {Path(file).name for file in added if file.endswith(".sv")} == {
        path.name for path in (scripts.project / "rtl").glob("*.sv")
    }
    busses = [call[2] for call in calls if call[0] == "ipx::associate_bus_interfaces"]
    assert busses == ["s_axi_control", *(stream["name"] for stream in scripts.design["streams"])]
    assert (scripts.build / f"{unit}.xo").exists() == (board == "u280")
