"""Names of the signals of a module: wanted while it is built, chosen when all of its lines are known.

A line has a placeholder where a name goes. Equal names get ``_v2``, ``_v3``, so that CIRCT keeps all of them as they
are, and ``Names.sources`` can tell from the name of a signal what line of the kernel it comes from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

INSTANCE, STATE, WIRE, SHARED = range(4)
"""What a name is for: an instance, a register, a wire, or a wire where the value is used several times."""

_PLACEHOLDER = re.compile(r"<(\d+)>")


@dataclass(frozen=True)
class _Name:
    base: str
    kind: int
    src: str


@dataclass
class Names:
    """The names that the lines of a module want.

    Attributes:
        sources: name -> ``file:line`` of the kernel; complete when ``place`` has been called.
    """

    wanted: list[_Name] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def placeholder(self, base: str, kind: int, src: str) -> str:
        """Stands in the text of an op for a name."""
        self.wanted.append(_Name(base, kind, src))
        return f"<{len(self.wanted) - 1}>"

    def again(self, line: str) -> str:
        """The line with a name of its own in place of the one that it wants: for a copy of what it makes."""
        number = int(_PLACEHOLDER.findall(line)[0])
        self.wanted.append(self.wanted[number])
        return _PLACEHOLDER.sub(f"<{len(self.wanted) - 1}>", line)

    def place(self, lines: Sequence[str], counts: Counter[str], taken: Collection[str]) -> list[str]:
        """Lines with every name in place: instances first, then registers and wires.

        Args:
            lines: of the module.
            counts: of each value, how often it is used.
            taken: names that no signal may have: those of ports, and what instances of the module are called.
        """
        needed: list[int] = []
        for line in lines:
            for match in _PLACEHOLDER.finditer(line):
                number = int(match[1])
                if self.wanted[number].kind != SHARED or counts[line.partition(" = ")[0].strip()] > 1:
                    needed.append(number)
        known = set(taken)
        chosen: dict[int, str] = {}
        versions: dict[str, int] = {}
        for number in sorted(needed, key=lambda n: (self.wanted[n].kind, n)):
            base = self.wanted[number].base
            name, version = base, versions.get(base, 1)
            while name in known:
                version += 1
                name = f"{base}_v{version}"
            versions[base] = version
            known.add(name)
            chosen[number] = name
            if self.wanted[number].src:
                self.sources[name] = self.wanted[number].src

        def put(match: re.Match[str]) -> str:
            number = int(match[1])
            if number not in chosen:
                return ""
            quoted = f'"{chosen[number]}"'
            return quoted if self.wanted[number].kind < WIRE else f" {{sv.namehint = {quoted}}}"

        return [_PLACEHOLDER.sub(put, line) for line in lines]
