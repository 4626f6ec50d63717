"""Mutation of SystemVerilog: small wrong changes, made one at a time, to prove that a unit's checks notice them.

`sites` finds every place where a rule applies in the text, `choose` draws from them evenly over the rules, and
`Judge` simulates one changed design with the cases of its unit. What passes is either proven equivalent with the
SAT solver in Yosys (see ``equivalence``) or has survived: then the cases are too weak.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastprefill.checks.contract import RESETS, STALL, Contract
from fastprefill.errors import FastprefillError
from fastprefill.system.ports import Ports
from fastprefill.tools import equivalence, formal, verilator

CAUGHT, EQUIVALENT, SURVIVED = "caught", "equivalent", "survived"

UNCHECKED = ("starved", "blocked", "error")
"""Outputs for the status registers of the shell; they are no part of a unit's contract."""

PATIENCE = 5_000
"""Cycles without a token after which a mutant counts as hung; no case leaves that many."""

TIMEOUT_S = 120.0
"""Wall time for the simulation of one mutant; the longest of the unit itself takes a few seconds."""


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        rule: name of the rule.
        file: of the design.
        line: in that file, from 1.
        start: offset of the change in the text.
        before: the text that is replaced.
        after: what replaces it.
    """

    rule: str
    file: str
    line: int
    start: int
    before: str
    after: str

    def apply(self, files: Mapping[str, str]) -> dict[str, str]:
        """The design with this change."""
        text = files[self.file]
        end = self.start + len(self.before)
        if text[self.start : end] != self.before:
            raise FastprefillError(f"{self.file} is not the text that this mutant was made from")
        return {**files, self.file: text[: self.start] + self.after + text[end:]}

    def describe(self) -> str:
        """Such as ``mpu.sv:40: and to or: ' & ' -> ' | '``."""
        return f"{self.file}:{self.line}: {self.rule}: {_short(self.before)!r} -> {_short(self.after)!r}"


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, and the first difference or the proof.

    Attributes:
        mutant: the change.
        status: `CAUGHT` by the checks; `EQUIVALENT` by proof; or `SURVIVED`.
        detail: why.
    """

    mutant: Mutant
    status: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """For the record of a test."""
        place = f"{self.mutant.file}:{self.mutant.line}"
        change = f"{_short(self.mutant.before)} -> {_short(self.mutant.after)}"
        return {
            "place": place, "rule": self.mutant.rule, "change": change, "status": self.status, "detail": self.detail,
        }  # fmt: skip


@dataclass(frozen=True)
class _Rule:
    name: str
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str | None]


def sites(files: Mapping[str, str]) -> list[Mutant]:
    """Every change that the rules allow in the sources, in the order of files, rules and lines.

    Comments, attributes, the parts' own checks and what only drives `UNCHECKED` outputs are left alone.
    """
    found = []
    for name in sorted(files):
        code = _code(files[name])
        for rule in _RULES:
            for match in rule.pattern.finditer(code):
                after = rule.replace(match)
                if after is None or after == match.group():
                    continue
                line = code.count("\n", 0, match.start() + _leading(match.group())) + 1
                label = (
                    "reset value" if rule.name == "constant" and _in_reset(code, match.start()) else rule.name
                )
                found.append(Mutant(label, name, line, match.start(), match.group(), after))
    return found


def choose(found: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` of the changes (fewer when there are fewer): in turn one of each rule, drawn with `seed`."""
    chance = random.Random(seed)
    by_rule: dict[str, list[Mutant]] = {}
    for mutant in found:
        by_rule.setdefault(mutant.rule, []).append(mutant)
    for group in by_rule.values():
        chance.shuffle(group)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(by_rule.values()):
        chosen += [group.pop() for group in by_rule.values() if group]
    return chosen[:count]


@dataclass(frozen=True)
class Judge:
    """What a mutant of a unit has to pass.

    Attributes:
        contract: of the unit; its RTL level is what mutants are run through.
        files: the sources of the unit.
        ports: of the unit.
        seed: of the inputs, the gaps, the resets and the initial state.
        timing: cycles of every step of that level, in order, for the unit as it is.
        lemmas: for the proof that a mutant is equivalent, see ``equivalence.prove``.
    """

    contract: Contract
    files: Mapping[str, str]
    ports: Ports
    seed: int
    timing: Sequence[int]
    lemmas: Mapping[str, Sequence[str]]

    def verdict(self, mutant: Mutant, folder: Path) -> Verdict:
        """Run the RTL level of the contract on a mutant; a part's proofs on one of a part; then try to prove it none.

        Args:
            mutant: of `files`.
            folder: for tokens and logs.

        Raises:
            FastprefillError: the mutant does not compile, or a tool is missing.
        """
        changed = mutant.apply(self.files)
        wrong = self._simulate(changed, folder) or _part_proof(mutant, changed)
        if wrong:
            return Verdict(mutant, CAUGHT, wrong)
        proof = equivalence.prove(self.files, changed, self.ports.name, ignored=UNCHECKED, lemmas=self.lemmas)
        return Verdict(mutant, EQUIVALENT if proof.proved else SURVIVED, proof.reason)

    def _simulate(self, changed: Mapping[str, str], folder: Path) -> str:
        build = verilator.build(changed, self.ports)
        try:
            result = verilator.run(
                build, self.contract.cases(self.seed), seed=self.seed, stall=STALL, resets=RESETS, folder=folder,
                waveform=False, patience=PATIENCE, timeout_s=TIMEOUT_S,
            )  # fmt: skip
        except FastprefillError as error:
            # A simulation that never ends, or whose combinational logic never settles, has noticed the change.
            if re.search(r"did not converge|did not finish within", str(error)):
                return str(error).partition("\n")[0]
            raise
        if result.failure is not None:
            return result.failure.describe()
        for step, cycles in zip(result.steps, self.timing, strict=True):
            if step.cycles != cycles:
                return f"case {step.case!r}, gaps {step.stall}/{step.hold}: takes {step.cycles} cycles, not {cycles}"
        return ""


def _part_proof(mutant: Mutant, changed: Mapping[str, str]) -> str:
    """The proof that a changed part of ``extern/sv`` fails, in words; empty when there is none."""
    part = mutant.file.removesuffix(".sv")
    for proof in formal.PROOFS:
        if proof.part == part:
            outcome = formal.prove(proof, replaced={mutant.file: changed[mutant.file]})
            if not outcome.proved:
                return f"the proof of {proof.name} fails: {outcome.reason}"
    return ""


def table(verdicts: Sequence[Mapping[str, str]]) -> list[str]:
    """Verdicts, as `Verdict.to_json` makes them, as lines of text: one each, then the score."""
    counts = Counter(verdict["status"] for verdict in verdicts)
    rows = sorted(verdicts, key=lambda v: (v["status"] != SURVIVED, v["status"], v["rule"], v["place"]))
    widths = [max((len(row[key]) for row in rows), default=0) for key in ("status", "rule", "place")]
    lines = [
        f"{row['status']:{widths[0]}}  {row['rule']:{widths[1]}}  {row['place']:{widths[2]}}  {row['change']}"
        for row in rows
    ]
    rules = len({verdict["rule"] for verdict in verdicts})
    score = ", ".join(f"{counts[status]} {status}" for status in (CAUGHT, EQUIVALENT, SURVIVED))
    return [*lines, f"mutants: {len(verdicts)} of {rules} kinds: {score}"]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 44 else f"{text[:20]} ... {text[-19:]}"


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip())


def _code(text: str) -> str:
    """The text with blanks in place of what must not be changed; all offsets stay."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    for pattern in (
        r"`ifdef.*?`endif",
        r"//[^\n]*",
        r"\(\* .*? \*\)",
        r"^ *localparam [^;]*;",
        r"\A.*?^\);",  # the head of the module
        rf"assign (?:{'|'.join(UNCHECKED)})\b[^;]*;",
    ):
        text = re.sub(pattern, blank, text, flags=re.DOTALL | re.MULTILINE)
    return text


def _in_reset(code: str, at: int) -> bool:
    start = code.rfind("if (rst)", 0, at)
    between = code[start:at]
    return start >= 0 and "else" not in between and "always" not in between


def _operator(name: str, old: str, new: str) -> _Rule:
    pattern = rf"(?<=[\w)\]}}])\s+{re.escape(old)}\s+(?=[\w({{~!$'])"
    return _Rule(name, re.compile(pattern), lambda m: m.group().replace(old, new))


def _plus_one(match: re.Match[str]) -> str | None:
    width, sign, value = int(match[1]), match[2], int(match[3], 16)
    return f"{width}'{sign}h{(value + 1) % (1 << width):X}"


def _parameter(match: re.Match[str]) -> str | None:
    name, value = match[1], int(match[2])
    if name == "INITIAL":  # one credit too many; one too few would only be slower
        return f".{name}({value + 1})"
    return f".{name}({value - 1})" if value > 1 else None


def _neighbour(match: re.Match[str]) -> str:
    name, high = match[1], int(match[2])
    low = int(match[3]) if match[3] else high
    width = high - low + 1
    step = -width if low >= width else width
    return f"{name}[{high + step}:{low + step}]" if match[3] else f"{name}[{low + step}]"


_TERM = r"~?[A-Za-z_]\w*(?:\[\d+\])?"

_RULES = (
    _operator("add to subtract", "+", "-"),
    _operator("subtract to add", "-", "+"),
    _operator("multiply to add", "*", "+"),
    _operator("and to or", "&", "|"),
    _operator("or to and", "|", "&"),
    _operator("and to or", "&&", "||"),
    _operator("or to and", "||", "&&"),
    _operator("less to less or equal", "<", "<="),
    _operator("greater to greater or equal", ">", ">="),
    _operator("greater or equal to greater", ">=", ">"),
    _operator("equal to unequal", "==", "!="),
    _operator("unequal to equal", "!=", "=="),
    _Rule("inversion dropped", re.compile(r"[~!](?=[\w(])"), lambda m: ""),
    _Rule("and term dropped", re.compile(rf"(?<=\w) &&? {_TERM}(?=[;,)]| [&|])"), lambda m: ""),
    _Rule("or term dropped", re.compile(rf"(?<=\w) \|\|? {_TERM}(?=[;,)]| \|)"), lambda m: ""),
    _Rule("arms of a selection swapped",
          re.compile(r"(?<![=!]=)(?<=[=({:])(\s*)([A-Za-z_]\w*(?:\[\d+\])?)(?=\s+\? )"), lambda m: f"{m[1]}!{m[2]}"),
    _Rule("sign extension to zero extension", re.compile(r"(\{\{\d+\{)\w+\[\d+\](?=\}\})"), lambda m: f"{m[1]}1'h0"),
    _Rule("sign extension to zero extension", re.compile(r"\{(\w+)\[\d+\], (?=\1\})"), lambda m: "{1'h0, "),
    _Rule("signed to unsigned comparison", re.compile(r"\$signed(?=\()"), lambda m: "$unsigned"),
    _Rule("constant", re.compile(r"\b(\d+)'(s?)h([0-9A-F]+)\b"), _plus_one),
    _Rule("constant", re.compile(r"(?<=[\s(])'0(?=[\s;])"), lambda m: "'1"),
    _Rule("constant", re.compile(r"(?<=[\s(])1'b0(?=;)"), lambda m: "1'b1"),
    _Rule("reset dropped", re.compile(r"if \(rst\)"), lambda m: "if (1'h0)"),
    _Rule("enable dropped", re.compile(r"(?<!else )if \((?!rst\b|[A-Z])[^()]+\)"), lambda m: "if (1'h1)"),
    _Rule("wrong slice", re.compile(r"\b([A-Za-z_]\w*)\[(\d+)(?::(\d+))?\](?!, \w+\})"), _neighbour),
    _Rule("parameter off by one", re.compile(r"\.(WIDTH|DEPTH|INITIAL|MAXIMUM)\((\d+)\)"), _parameter),
    _Rule("register stuck at zero", re.compile(r"\b(\w+) <= (?!\d+'h0;|'0;|1'b0;)[^;]+;"), lambda m: f"{m[1]} <= '0;"),
    _Rule("handshake tied low",
          re.compile(r"\.(rst|start|take|put|ready|enable_\d+|credit(?=\s*\([a-z])|\w+_(?:credit|free|full|valid))"
                     r"(\s*)\([^()]+\)"),
          lambda m: f".{m[1]}{m[2]}(1'h0)"),
)  # fmt: skip
