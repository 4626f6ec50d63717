"""Named steps of a command with the time each took; shown while they run, kept in ``steps.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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

    def to_json(self) -> str:
        """One object: the command and its steps in order, in seconds."""
        steps = [{"name": name, "seconds": seconds} for name, seconds in self.seconds.items()]
        return json.dumps({"command": self.command, "steps": steps}, indent=1) + "\n"
