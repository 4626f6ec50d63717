"""What every pass is: a frozen dataclass with a name, a summary, and its options as fields."""

from __future__ import annotations

from typing import ClassVar

from xdsl.passes import ModulePass


class Pass(ModulePass):
    """A pass over a module.

    Attributes:
        name: what ``--after`` takes.
        summary: what the pass does, in one line, as in the table of ``docs/ir.md``.
    """

    summary: ClassVar[str]
