"""Small programs, each at a place where the way from the IR to RTL could go wrong or once did."""

from __future__ import annotations

from directed_control import CONTROL, CYCLE, WRITER_READS
from directed_data import DATA

HEAD = """    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %two = arith.constant 2 : index
    %four = arith.constant 4 : index
    %yes = arith.constant -1 : i1
    %n0 = memref.load %n[%zero] : memref<1xi32>
    %m0 = memref.load %m[%zero] : memref<1xi32>
    %ni = arith.index_cast %n0 : i32 to index
    %mi = arith.index_cast %m0 : i32 to index
"""

ARGUMENTS = "%n: memref<1xi32>, %m: memref<1xi32>, %x: !fp.stream<i8, 2>, %y: !fp.stream<i32, 2>"
NAMES = 'arg_names = ["n", "m", "x", "y"], itypes = "ssss", directions = "iiio"'


def program(name: str, body: str) -> str:
    """A unit of one process, which always reads x once and writes y once at the end."""
    tail = """
    %last_x = fp.get %x : !fp.stream<i8, 2> -> i8
    %last_y = arith.extui %last_x : i8 to i32
    fp.put %y, %last_y : !fp.stream<i32, 2>, i32
    func.return
"""
    return (
        f'builtin.module attributes {{fp.unit = "{name}"}} {{\n'
        f"  func.func @{name}_p({ARGUMENTS}) attributes {{fp.process, {NAMES}}} {{\n{HEAD}{body}{tail}  }}\n"
        f"  func.func @{name}({ARGUMENTS}) attributes {{fp.region, {NAMES}}} {{\n"
        f'    func.call @{name}_p(%n, %m, %x, %y) {{instance = "p", slr = 0 : i32, domain = "kernel"}} : '
        "(memref<1xi32>, memref<1xi32>, !fp.stream<i8, 2>, !fp.stream<i32, 2>) -> ()\n    func.return\n  }\n}\n"
    )


def programs() -> dict[str, str]:
    """All of them by unit name."""
    made = {name: program(name, body) for name, body in {**CONTROL, **DATA}.items()}
    return {**made, "cycle": CYCLE, "writer_reads": WRITER_READS}
