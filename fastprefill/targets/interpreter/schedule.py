"""Running processes until all have ended: who can go on runs until it must wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from fastprefill.errors import FastprefillError
from fastprefill.targets.interpreter.streams import Wait
from fastprefill.targets.interpreter.support import Array, Blocks, Fifo, Trap


@dataclass(eq=False)
class Task:
    """A process of a run.

    Attributes:
        name: of the instance.
        coroutine: yields an index into `waits` when it cannot go on.
        waits: the places where it may wait.
        streams: the objects its arguments are bound to; arrays among them.
        labels: the names of these.
        waiting: where it waits now.
    """

    name: str
    coroutine: Generator[int, None, None]
    waits: list[Wait]
    streams: list[Fifo | Blocks | Array]
    labels: list[str]
    waiting: Wait | None = None


def execute(tasks: list[Task], ports: set[int]) -> None:
    """Run all tasks to their end.

    Args:
        tasks: the processes.
        ports: ``id`` of the streams that are inputs of the network.

    Raises:
        FastprefillError: a deadlock, or a trap of the program.
    """
    reader = {id(task.streams[wait.argument]): task for task in tasks for wait in task.waits if wait.reads}
    writer = {
        id(task.streams[wait.argument]): task for task in tasks for wait in task.waits if not wait.reads
    }
    neighbours = {task: _neighbours(task, reader, writer) for task in tasks}
    ready = deque(tasks)
    running = len(tasks)
    try:
        while ready:
            task = ready.popleft()
            try:
                task.waiting = task.waits[next(task.coroutine)]
            except StopIteration:
                running -= 1
                task.waiting = None
            except Trap as trap:
                raise FastprefillError(f"{trap.src}: process '{task.name}' {trap.message}") from None
            for other in neighbours[task]:
                if other.waiting is not None and _can_go_on(other):
                    other.waiting = None
                    ready.append(other)
        if running:
            ends = writer, reader
            raise FastprefillError(
                "deadlock: " + "; ".join(_reason(t, ends, ports) for t in tasks if t.waiting)
            )
    finally:
        for task in tasks:
            task.coroutine.close()


def _neighbours(task: Task, reader: dict[int, Task], writer: dict[int, Task]) -> list[Task]:
    """The tasks at the other ends of the task's streams."""
    others = [side.get(id(stream)) for stream in task.streams for side in (reader, writer)]
    return list(dict.fromkeys(other for other in others if other is not None and other is not task))


def _can_go_on(task: Task) -> bool:
    assert task.waiting is not None
    stream: Any = task.streams[task.waiting.argument]
    return bool(stream.items) if task.waiting.reads else stream.has_room()


def _reason(task: Task, ends: tuple[dict[int, Task], dict[int, Task]], ports: set[int]) -> str:
    """What a task waits for; `ends` are the tasks that write and that read each stream."""
    assert task.waiting is not None
    stream, label = task.streams[task.waiting.argument], task.labels[task.waiting.argument]
    if task.waiting.reads:
        what, state = f"a token on '{label}'", "empty"
        if isinstance(stream, Blocks):
            what, state = f"a full block of '{label}'", "none"
        elif id(stream) in ports:
            state = "the case has no more tokens"
    elif isinstance(stream, Blocks):
        what, state = f"a free buffer of '{label}'", "none"
    else:
        assert isinstance(stream, Fifo)
        what, state = f"room in '{label}'", f"full, depth {stream.depth}"
    other = ends[0 if task.waiting.reads else 1].get(id(stream))
    if other is not None and other.waiting is None:
        state += f", '{other.name}' has ended"
    return f"'{task.name}' waits for {what} ({state}) at {task.waiting.src}"
