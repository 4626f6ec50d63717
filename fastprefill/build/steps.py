"""Named steps of a command with the time each took; shown while they run, kept in the project's ``steps.json``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEPS = "steps.json"


@dataclass
class Steps:
    """Collects steps.

    Attributes:
        command: the verb they belong to.
        show: gets a line when a step starts and one when it ends.
        seconds: step -> wall time.
    """

    command: str
    show: Callable[[str], None] = lambda line: None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the body as the step `name`."""
        self.show(f"{name} ...")
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 3)
        self.show(f"{name}: {self.seconds[name]:.1f} s")

    def to_json(self, earlier: dict[str, Any] | None = None) -> str:
        """One object: each command with its steps in order and their seconds; this one replaces its earlier run."""
        steps = [{"name": name, "seconds": seconds} for name, seconds in self.seconds.items()]
        ours = {"seconds": round(sum(self.seconds.values()), 3), "steps": steps}
        others = {name: run for name, run in (earlier or {}).items() if name != self.command}
        return json.dumps({**others, self.command: ours}, indent=1) + "\n"

    def save(self, folder: Path) -> None:
        """Add the command to ``steps.json`` of a project; a project on a read-only disk keeps what it has."""
        target = folder / STEPS
        earlier = None
        with suppress(OSError, ValueError):
            earlier = json.loads(target.read_text())
        replace_text(target, self.to_json(earlier if isinstance(earlier, dict) else None))


def replace_text(target: Path, text: str) -> None:
    """Write a file of results whole or not at all; a disk that refuses is no reason to lose what is printed."""
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        aside.write_text(text)
        aside.replace(target)
    except OSError:
        with suppress(OSError):
            aside.unlink()
