"""What `fastprefill bitstream` did, or would do: the steps with their commands, and what is missing."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bitstream:
    """A build, or the plan of one.

    Attributes:
        folder: the commands run here.
        result: the bitstream.
        steps: name of each step and the words of its command.
        missing: a sentence for each thing that is not here; then nothing was run.
        ran: whether the steps were run.
        notes: what the user should know of a build that ran.
        tiers: which tools ran.
    """

    folder: Path
    result: Path
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    missing: tuple[str, ...]
    ran: bool
    notes: tuple[str, ...]
    tiers: str

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "ok": self.ran,
            "ran": self.ran,
            "folder": str(self.folder),
            "result": str(self.result),
            "steps": [{"name": name, "command": list(words)} for name, words in self.steps],
            "missing": list(self.missing),
            "notes": list(self.notes),
            "tiers": self.tiers,
        }

    def text(self) -> str:
        """For people; the commands can be pasted into a shell."""
        if self.ran:
            return "\n".join([f"made {self.result}", *self.notes, self.tiers])
        lines = []
        if self.missing:
            lines += ["bitstream NOT built; missing here:", *(f"- {sentence}" for sentence in self.missing)]
            lines.append("The commands, for a machine that has them:")
        else:
            lines.append("bitstream NOT built: --dry-run; the commands:")
        lines.append(f"  mkdir -p {shlex.quote(str(self.folder))} && cd {shlex.quote(str(self.folder))}")
        for name, words in self.steps:
            lines += [f"  # {name}", f"  {shlex.join(words)}"]
        return "\n".join([*lines, self.tiers])
