"""ARRAY_PARTITION and BIND_STORAGE from the attributes of an array."""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Attribute, Operation

from fastprefill.errors import KernelError
from fastprefill.targets.vitis_hls.pragmas import pragma


def partition_pragmas(name: str, partition: Attribute | None, shape: tuple[int, ...]) -> list[str]:
    """One pragma per partitioned dimension, or one for all when every dimension is complete."""
    if not isinstance(partition, ArrayAttr):
        return []
    kinds = [entry.data for entry in partition if isinstance(entry, StringAttr)]
    if kinds and all(kind == "complete" for kind in kinds):
        return [pragma("ARRAY_PARTITION", variable=name, type="complete", dim=0 if len(shape) > 1 else 1)]
    lines = []
    for dim, kind in enumerate(kinds, start=1):
        words = kind.split()
        if words[0] == "complete":
            lines.append(pragma("ARRAY_PARTITION", variable=name, type="complete", dim=dim))
        elif words[0] in ("cyclic", "block"):
            if int(words[1]) > 1:
                lines.append(
                    pragma("ARRAY_PARTITION", variable=name, type=words[0], factor=int(words[1]), dim=dim)
                )
        elif words[0] != "none":
            raise KernelError(f"partition {kind!r} of {name} is not none, complete, cyclic N or block N")
    return lines


def storage_pragmas(name: str, op: Operation, rom: bool) -> list[str]:
    """BIND_STORAGE for an array that names its memory; without `impl` where the tool chooses (AUTO)."""
    storage, kind = op.attributes.get("storage"), op.attributes.get("storage_type")
    impl = storage.data.lower() if isinstance(storage, StringAttr) and storage.data != "AUTO" else None
    if impl is None and not isinstance(kind, StringAttr):
        return []
    default = "rom_1p" if rom else "ram_2p"
    options = {"variable": name, "type": kind.data.lower() if isinstance(kind, StringAttr) else default}
    if impl is not None:
        options["impl"] = impl
    return [pragma("BIND_STORAGE", **options)]
