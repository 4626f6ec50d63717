"""The memory of a block stream: a module with the write side of one process and the read side of another."""

from __future__ import annotations

from fastprefill.ir.dialect import BlocksType, CreateOp
from fastprefill.ir.query import text
from fastprefill.passes.addresses import bits
from fastprefill.passes.storage import block_storage
from fastprefill.targets.rtl.comments import blocks_head
from fastprefill.targets.rtl.hw import Design, Module
from fastprefill.targets.rtl.memory import element_suffix, ram


def build_blocks(design: Design, name: str, create: CreateOp, *, writer_reads: bool = False) -> Module:
    """Registers or RAMs for all buffers of a block stream, one bank per partition.

    Ports: ``we``, ``waddr``, ``wdata`` with a field per bank; ``rdata`` with all registers, or ``raddr`` and
    ``rdata`` with a field per bank for memories. A bank's address counts through the buffers. Where `writer_reads`,
    memories have a copy for the writer, with ``own_raddr`` and ``own_rdata``.
    """
    storage = block_storage(create)
    kind = create.stream.type
    assert isinstance(kind, BlocksType)
    stream, buffers = create.stream_name.data, kind.depth.data
    words, banks, width = storage.depth * buffers, storage.banks, storage.width
    wide = bits(words)
    m = Module(design, name, reset=False)
    m.about = blocks_head(name, create, storage, buffers, writer_reads=writer_reads)
    m.src = text(create, "src")
    we = m.input("we", banks)
    waddr = m.input("waddr", banks * wide) if words > 1 else None
    wdata = m.input("wdata", banks * width)
    if storage.memory == "register":
        fields = []
        for word in range(words):
            for bank in range(banks):
                enable = m.extract(we, bank, 1)
                if waddr is not None:
                    address = m.extract(waddr, bank * wide, wide)
                    enable = m.both([enable, m.compare("eq", address, m.const(word, wide))])
                label = stream + element_suffix(storage, bank) + (f"_buffer{word}" if words > 1 else "")
                fields.append(m.register(m.extract(wdata, bank * width, width), label, enable=enable))
        m.output("rdata", m.concat(fields[::-1]))
        return m
    assert waddr is not None
    for own in ("", "own_") if writer_reads else ("",):
        raddr = m.input(f"{own}raddr", banks * wide)
        fields = []
        for bank in range(banks):
            ports = {
                "we": m.extract(we, bank, 1),
                "waddr": m.extract(waddr, bank * wide, wide),
                "wdata": m.extract(wdata, bank * width, width),
                "raddr": m.extract(raddr, bank * wide, wide),
            }
            label = f"{stream}{f'_{bank}' if banks > 1 else ''}{'_own' if own else ''}"
            fields.append(m.instance(label, ram(width, words, storage.memory), ports)["rdata"])
        m.output(f"{own}rdata", m.concat(fields[::-1]))
    return m
