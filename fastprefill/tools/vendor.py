"""AMD's tools: which are here and fit the board, and running the steps of a project's bitstream one after the other."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastprefill.boards import ToolRange, refusal, release
from fastprefill.build.deploy import FIRST_WITHOUT_VITIS_HLS, STEPS, hls_command
from fastprefill.build.plan import MANIFEST, read_manifest
from fastprefill.errors import FastprefillError
from fastprefill.tools import tiers, vendor_log

PLATFORM_FOLDERS = ("/opt/xilinx/platforms",)
"""Where AMD's packages put platforms; PLATFORM_REPO_PATHS and the installation of Vitis are looked at as well."""

# Tool of a step -> its programs, the option that prints the version, the product whose range counts.
_PROGRAMS = {
    "v++": (("v++",), "--version", "vitis"),
    "hls": (("vitis-run", "vitis_hls"), "--version", "vitis"),
    "vivado": (("vivado",), "-version", "vivado"),
    "bootgen": (("bootgen",), "", ""),
}
_PRODUCTS = {"v++": "Vitis", "hls": "Vitis", "vivado": "Vivado", "bootgen": "Vivado or Vitis"}
_TIER = {"v++": "vitis_hls", "hls": "vitis_hls", "vivado": "vivado"}


@dataclass(frozen=True)
class Step:
    """One command; `needs`, which may be patterns, and `makes` are relative to the folder ``bitstream``.

    The command runs in its ``build``.
    """

    name: str
    tool: str
    needs: tuple[str, ...]
    makes: str
    log: str
    command: str


@dataclass(frozen=True)
class Build:
    """The bitstream build of a project.

    Attributes:
        folder: ``bitstream`` of the project, absolute.
        steps: in their order.
        result: the bitstream, relative to the folder.
        board: of the manifest: title, platform, tool versions and ranges.
    """

    folder: Path
    steps: tuple[Step, ...]
    result: str
    board: Mapping[str, Any]

    def range_of(self, tool: str) -> ToolRange | None:
        """Versions of a step's tool that can build for the board; None when any can."""
        found = self.board["tool_ranges"].get(_PROGRAMS[tool][2])
        return ToolRange(**found) if found else None


@dataclass(frozen=True)
class Found:
    """What is here: the program of each tool and its version, the platform, and a sentence for each thing missing."""

    programs: Mapping[str, Path]
    versions: Mapping[str, str]
    platform: str
    missing: tuple[str, ...]


def open_build(project: Path) -> Build:
    """The build of a project.

    Raises:
        FastprefillError: not a project, or one without a bitstream build.
    """
    manifest = read_manifest(project)
    if manifest is None:
        raise FastprefillError(
            f"'{project}' is no project of fastprefill (it has no {MANIFEST} of ours); make one with "
            "'fastprefill generate'"
        )
    folder = project.resolve() / "bitstream"
    board = manifest["board"]
    assert isinstance(board, dict)
    if not (folder / STEPS).is_file() or "tool_ranges" not in board:
        raise FastprefillError(
            f"'{project}' has no bitstream build: it is written for boards with a folder in bitstreams/, with both "
            f"targets; the project's board is '{board['name']}'. Generate it again for such a board"
        )
    try:
        data = tomllib.loads((folder / STEPS).read_text())
        steps = tuple(Step(**{**step, "needs": tuple(step["needs"])}) for step in data["step"])
        result = str(data["result"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise FastprefillError(
            f"'{folder / STEPS}' is damaged ({error}); generate the project again"
        ) from None
    unknown = sorted({step.tool for step in steps} - set(_PROGRAMS))
    if unknown:
        raise FastprefillError(
            f"'{folder / STEPS}' asks for '{unknown[0]}'; there are {', '.join(_PROGRAMS)}"
        )
    return Build(folder, steps, result, board)


def look(build: Build, environment: Mapping[str, str] = os.environ) -> Found:
    """Find the tools that the steps need, their versions and the platform; nothing is run but ``--version``."""
    programs, versions, missing = {}, {}, []
    for tool in dict.fromkeys(step.tool for step in build.steps):
        names, flag, _ = _PROGRAMS[tool]
        program = next((p for name in names if (p := shutil.which(name, path=environment.get("PATH")))), None)
        supported, product = build.range_of(tool), _PRODUCTS[tool]
        if program is None:
            which = f" {supported.text()}" if supported else ""
            missing.append(
                f"{' or '.join(names)} is not on PATH: install {product}{which} and source its settings64.sh"
            )
            continue
        programs[tool] = Path(program)
        if not flag:
            continue
        versions[tool] = version = _version(program, flag)
        if not version:
            missing.append(f"'{program} {flag}' does not tell a version: is the installation whole?")
        elif problem := _refused(build, tool, version):
            missing.append(problem)
    if len({release(version) for version in versions.values() if version}) > 1:
        told = ", ".join(f"{programs[tool].name} is {version}" for tool, version in versions.items())
        missing.append(f"the tools are of different releases ({told}): source one settings64.sh alone")
    platform, problem = _platform(build, environment)
    return Found(programs, versions, platform, (*missing, *([problem] if problem else [])))


def commands(build: Build, found: Found) -> list[tuple[Step, list[str]]]:
    """The steps with their commands as words; where a tool is missing, as they would be for the best version."""
    version = found.versions.get("hls") or build.board["tool_versions"].get("vitis", "2024.2")
    hls = hls_command(version)
    if "hls" in found.programs and not found.versions.get("hls"):
        hls = hls_command("2024.1" if found.programs["hls"].name == "vitis-run" else "2023.2")
    filled = {"{platform}": found.platform, "{here}": str(build.folder), "{hls}": hls}
    made = []
    for step in build.steps:
        words = []
        for word in shlex.split(step.command):
            if word == "{hls}":
                words += shlex.split(hls)
                continue
            for name, value in filled.items():
                word = word.replace(name, value)
            words.append(word)
        made.append((step, words))
    return made


def run(build: Build, found: Found, show: Callable[[str], None] = lambda line: None) -> list[str]:
    """Run the steps; one whose product is newer than what it needs is passed over.

    Returns:
        Notes for people, such as a clock that is lower than the one asked for.

    Raises:
        FastprefillError: something is missing, or a step failed: the text quotes its log and explains it.
    """
    if found.missing:
        raise FastprefillError("; ".join(found.missing))
    notes = []
    (build.folder / "build").mkdir(exist_ok=True)
    for number, (step, words) in enumerate(commands(build, found), start=1):
        title = f"step {number} of {len(build.steps)}, {step.name}"
        if _fresh(build, step):
            show(f"{title}: nothing to do")
            continue
        show(f"{title}: {shlex.join(words)}")
        made, log = build.folder / step.makes, build.folder / step.log
        status = _execute(words, build.folder / "build", log)
        if status != 0 or not made.exists():
            made.unlink(missing_ok=True)
            raise FastprefillError(_failure(build, step, status))
        if tier := _TIER.get(step.tool):
            tiers.note(tier)
        if clock := vendor_log.slower_clock(log):
            notes.append(f"{step.log}: timing was not met, the bitstream runs at {clock:g} MHz")
    return notes


def _execute(words: list[str], folder: Path, log: Path) -> int:
    """Exit status; what is printed goes to the log as it comes, since a step may take hours."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        try:
            process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise FastprefillError(f"{words[0]} cannot be started: {error.strerror}") from None
        try:
            return process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def _failure(build: Build, step: Step, status: int) -> str:
    log = build.folder / step.log
    # v++ and launch_runs leave the details in logs of their own below build/.
    inner = sorted(
        (
            file
            for name in ("runme.log", "vivado.log", "vitis_hls.log", "vpl.log")
            for file in log.parent.rglob(name)
        ),
        key=lambda file: file.stat().st_mtime,
        reverse=True,
    )
    why = f"ended with status {status}" if status else f"ended well, but made no {step.makes}"
    message = vendor_log.first_error([log, *inner])
    told = message.text() if message else f"no error is in {log}"
    return f"the step '{step.name}' {why}; {told}. Whole log: {log}"


def _fresh(build: Build, step: Step) -> bool:
    made = build.folder / step.makes
    if not made.exists():
        return False
    found = [list(build.folder.glob(name)) for name in step.needs]
    return all(files and all(file.stat().st_mtime <= made.stat().st_mtime for file in files) for files in found)


def _version(program: str, flag: str) -> str:
    try:
        printed = subprocess.run([program, flag], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # Where a tool does not tell, the folder it is installed in does: .../Vitis/2024.2/bin/vitis-run.
    for text in (printed.stdout, printed.stderr, str(Path(program).resolve())):
        if found := re.search(r"\bv?(20\d\d\.[1-9](\.\d+)?)\b", text):
            return found[1]
    return ""


def _refused(build: Build, tool: str, version: str) -> str:
    """Why this version cannot be used; empty when it can."""
    supported, product = build.range_of(tool), _PROGRAMS[tool][2]
    if tool == "hls" and release(version) < FIRST_WITHOUT_VITIS_HLS and shutil.which("vitis_hls") is None:
        return f"vitis {version} starts HLS with vitis_hls, which is not on PATH: is Vitis HLS installed with it?"
    if supported is None or supported.holds(version):
        return ""
    best = build.board["tool_versions"].get(product, supported.first)
    return refusal(build.board["title"], product, version, supported, best, build.board["tool_note"])


def _platform(build: Build, environment: Mapping[str, str]) -> tuple[str, str]:
    """Platform to name on the command line, and what is missing."""
    name = str(build.board["platform"])
    if given := environment.get("PLATFORM"):
        if Path(given).is_file():
            return given, ""
        return given, f"PLATFORM is '{given}', and there is no such file: name an .xpfm file, or unset it"
    if not name:
        return "", ""
    folders = [folder for folder in environment.get("PLATFORM_REPO_PATHS", "").split(":") if folder]
    if vitis := environment.get("XILINX_VITIS"):
        folders += [f"{vitis}/base_platforms", f"{vitis}/platforms"]
    folders += PLATFORM_FOLDERS
    for folder in folders:
        for file in (Path(folder) / name / f"{name}.xpfm", Path(folder) / f"{name}.xpfm"):
            if file.is_file():
                return str(file), ""
    return name, (
        f"the platform {name} is missing (looked in {', '.join(folders)}): install the card's development platform "
        "package from AMD, or set PLATFORM_REPO_PATHS to the folder that has it"
    )
