"""Small kernels, each at a place where the way from the IR to RTL could go wrong: interpreter == RTL."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fastprefill.tools import verilator

FUZZ = Path(__file__).parents[2] / "fuzz"
sys.path.insert(0, str(FUZZ))

pytestmark = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))

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

BODIES = {
    # The lower bound comes out of the stream, so the pipeline computes it just before the loop starts.
    "lower_bound_of_data": """
    scf.for %i = %zero to %ni step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %b = fp.get_slice %v[%zero] : i8 -> i2
      %c = arith.extui %b : i2 to i32
      %lo = arith.index_cast %c : i32 to index
      scf.for %j = %lo to %four step %one {
        %k = arith.index_cast %j : index to i32
        fp.put %y, %k : !fp.stream<i32, 2>, i32
      } {loop_name = "j"}
    } {loop_name = "i"}
""",
    # With no iteration of the outer loop nobody computes the bound of the inner one.
    "inner_bound_never_computed": """
    scf.for %i = %zero to %ni step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %c = arith.extui %v : i8 to i32
      %hi = arith.index_cast %c : i32 to index
      scf.for %j = %zero to %hi step %one {
        %k = arith.index_cast %j : index to i32
        fp.put %y, %k : !fp.stream<i32, 2>, i32
      } {loop_name = "j"}
    } {loop_name = "i"}
    fp.put %y, %n0 : !fp.stream<i32, 2>, i32
""",
    "bound_is_a_slice_of_a_scalar": """
    %s = fp.get_slice %m0[%one] : i32 -> i2
    %c = arith.extui %s : i2 to i32
    %hi = arith.index_cast %c : i32 to index
    scf.for %j = %zero to %hi step %one {
      %k = arith.index_cast %j : index to i32
      fp.put %y, %k : !fp.stream<i32, 2>, i32
    } {loop_name = "j"}
""",
    # One put always, one in a nested condition: they are not the two sides of one condition.
    "puts_under_unequal_conditions": """
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %w = arith.extui %v : i8 to i32
      %c = arith.trunci %v : i8 to i1
      %d = fp.get_slice %v[%one] : i8 -> i1
      scf.if %c {
        scf.if %d {
          fp.put %y, %w : !fp.stream<i32, 2>, i32
        }
      } else {
        fp.put %y, %n0 : !fp.stream<i32, 2>, i32
      }
    } {loop_name = "i"}
""",
    "gets_under_unequal_conditions": """
    scf.for %i = %zero to %four step %one {
      %a = arith.cmpi ne, %i, %one : index
      %b = arith.cmpi slt, %i, %two : index
      %t = memref.alloc() {name = "t"} : memref<i32>
      memref.store %n0, %t[] : memref<i32>
      scf.if %a {
        scf.if %b {
          %v = fp.get %x : !fp.stream<i8, 2> -> i8
          %w = arith.extui %v : i8 to i32
          memref.store %w, %t[] : memref<i32>
        }
      } else {
        %v = fp.get %x : !fp.stream<i8, 2> -> i8
        %w = arith.extsi %v : i8 to i32
        memref.store %w, %t[] : memref<i32>
      }
      %r = memref.load %t[] : memref<i32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    # p: t = a; q: t = b; p: t = c. Where only q holds, b stays.
    "fresh_variable_in_three_conditions": """
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %p = arith.trunci %v : i8 to i1
      %q = arith.xori %p, %yes : i1
      %t = memref.alloc() {name = "t"} : memref<i32>
      %w = arith.extui %v : i8 to i32
      scf.if %p {
        memref.store %w, %t[] : memref<i32>
      }
      scf.if %q {
        memref.store %m0, %t[] : memref<i32>
      }
      scf.if %p {
        memref.store %n0, %t[] : memref<i32>
      }
      %r = memref.load %t[] : memref<i32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    # The lanes fill the array; a conditional store of one element is not its first.
    "fresh_array_filled_by_lanes": """
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %p = arith.trunci %v : i8 to i1
      %w = arith.extui %v : i8 to i32
      %t = memref.alloc() {name = "t", partition = ["complete"]} : memref<4xi32>
      fp.fill %t, %w : memref<4xi32>, i32
      scf.if %p {
        memref.store %n0, %t[%two] : memref<4xi32>
      }
      %r = memref.load %t[%two] : memref<4xi32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    "fresh_array_with_an_unknown_subscript": """
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %p = arith.trunci %v : i8 to i1
      %s = fp.get_slice %v[%two] : i8 -> i2
      %e = arith.extui %s : i2 to i32
      %k = arith.index_cast %e : i32 to index
      %w = arith.extui %v : i8 to i32
      %t = memref.alloc() {name = "t", partition = ["complete"]} : memref<4xi32>
      memref.store %m0, %t[%two] : memref<4xi32>
      memref.store %w, %t[%k] : memref<4xi32>
      scf.if %p {
        memref.store %n0, %t[%two] : memref<4xi32>
      }
      %r = memref.load %t[%two] : memref<4xi32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    # Lanes with a sum of their own over inner lanes.
    "sum_inside_lanes": """
    %a = memref.alloc() {name = "a", partition = ["complete"]} : memref<4xi32>
    fp.fill %a, %n0 : memref<4xi32>, i32
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %w = arith.extui %v : i8 to i32
      scf.for %j = %zero to %four step %one {
        %s = memref.alloc() {name = "s"} : memref<i32>
        memref.store %w, %s[] : memref<i32>
        scf.for %k = %zero to %four step %one {
          %kk = arith.index_cast %k : index to i32
          %old = memref.load %s[] : memref<i32>
          %p = arith.muli %kk, %w : i32
          %new = arith.addi %old, %p : i32
          memref.store %new, %s[] : memref<i32>
        } {loop_name = "k", unroll = 0 : i32}
        %t = memref.load %s[] : memref<i32>
        %jj = arith.index_cast %j : index to i32
        %u = arith.muli %t, %jj : i32
        %b = memref.load %a[%j] : memref<4xi32>
        %c = arith.addi %b, %u : i32
        memref.store %c, %a[%j] : memref<4xi32>
      } {loop_name = "j", unroll = 0 : i32}
      %r = memref.load %a[%i] : memref<4xi32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    # Each lane has an array of its own, read at a subscript that is data.
    "array_inside_lanes": """
    %a = memref.alloc() {name = "a", partition = ["complete"]} : memref<4xi32>
    %v = fp.get %x : !fp.stream<i8, 2> -> i8
    %w = arith.extui %v : i8 to i32
    %s = fp.get_slice %v[%two] : i8 -> i1
    %e = arith.extui %s : i1 to i32
    %at = arith.index_cast %e : i32 to index
    scf.for %j = %zero to %four step %one {
      %t = memref.alloc() {name = "t", partition = ["complete"]} : memref<2xi32>
      %jj = arith.index_cast %j : index to i32
      %p = arith.addi %jj, %w : i32
      %q = arith.xori %jj, %w : i32
      memref.store %p, %t[%zero] : memref<2xi32>
      memref.store %q, %t[%one] : memref<2xi32>
      %r = memref.load %t[%at] : memref<2xi32>
      memref.store %r, %a[%j] : memref<4xi32>
    } {loop_name = "j", unroll = 0 : i32}
    scf.for %i = %zero to %four step %one {
      %r = memref.load %a[%i] : memref<4xi32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    # What the lane's number wraps to when it is cut must be what is extended again.
    "narrow_lane_number": """
    %a = memref.alloc() {name = "a", partition = ["complete"]} : memref<4xi32>
    %f = arith.constant 100 : i8
    scf.for %j = %zero to %four step %one {
      %jj = arith.index_cast %j : index to i32
      %jb = arith.trunci %jj : i32 to i8
      %p = arith.muli %jb, %f : i8
      %q = arith.extsi %p : i8 to i32
      %r = arith.addi %q, %n0 : i32
      memref.store %r, %a[%j] : memref<4xi32>
    } {loop_name = "j", unroll = 0 : i32}
    scf.for %i = %zero to %four step %one {
      %r = memref.load %a[%i] : memref<4xi32>
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    "constants_are_bits": """
    %t = arith.constant 1 : i1
    %e = arith.extsi %t : i1 to i32
    %b = arith.constant 200 : i8
    %f = arith.extsi %b : i8 to i32
    %s = arith.addi %e, %f : i32
    %r = arith.addi %s, %n0 : i32
    fp.put %y, %r : !fp.stream<i32, 2>, i32
""",
    # A condition that is known late holds the turn for longer than the pipeline is deep.
    "slow_while": """
    %k = memref.alloc() {name = "k"} : memref<i32>
    memref.store %m0, %k[] : memref<i32>
    scf.while () : () -> () {
      %v = memref.load %k[] : memref<i32>
      %z = arith.constant 0 : i32
      %c = arith.cmpi sgt, %v, %z : i32
      scf.condition(%c)
    } do {
      %o = arith.constant 1 : i32
      %v = memref.load %k[] : memref<i32>
      %w = arith.subi %v, %o : i32
      memref.store %w, %k[] : memref<i32>
      scf.yield
    } attributes {loop_name = "k", pipeline_ii = 6 : i32}
    %r = memref.load %k[] : memref<i32>
    fp.put %y, %r : !fp.stream<i32, 2>, i32
""",
    "dynamic_slice_of_many_bits": """
    %v = fp.get %x : !fp.stream<i8, 2> -> i8
    %s = fp.get_slice %v[%ni] : i8 -> i40
    %t = fp.get_slice %s[%one] : i40 -> i32
    fp.put %y, %t : !fp.stream<i32, 2>, i32
""",
    # The same expression bounds a loop and is used in its body.
    "bound_used_in_the_body": """
    %c = arith.addi %n0, %m0 : i32
    %hi = arith.index_cast %c : i32 to index
    scf.for %j = %zero to %hi step %one {
      %d = arith.addi %n0, %m0 : i32
      %k = arith.index_cast %j : index to i32
      %r = arith.addi %d, %k : i32
      fp.put %y, %r : !fp.stream<i32, 2>, i32
    } {loop_name = "j"}
""",
    # The inner loop starts in the cycle in which the outer variable moves on.
    "lower_bound_is_an_outer_variable": """
    scf.for %i = %zero to %four step %one {
      scf.for %j = %i to %four step %one {
        %k = arith.index_cast %j : index to i32
        fp.put %y, %k : !fp.stream<i32, 2>, i32
      } {loop_name = "j"}
    } {loop_name = "i"}
    scf.for %i2 = %ni to %four step %one {
      scf.for %j2 = %i2 to %mi step %one {
        scf.for %k2 = %j2 to %four step %one {
        %k = arith.index_cast %k2 : index to i32
        fp.put %y, %k : !fp.stream<i32, 2>, i32
      } {loop_name = "k2"}
      } {loop_name = "j2"}
      %q = arith.index_cast %i2 : index to i32
        fp.put %y, %q : !fp.stream<i32, 2>, i32
    } {loop_name = "i2"}
""",
    # Nobody computes the lower bound of j when i has no iterations, and the bound of k is j.
    "bound_of_a_loop_that_never_runs": """
    scf.for %i = %zero to %ni step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %c = arith.extui %v : i8 to i32
      %lo = arith.index_cast %c : i32 to index
      scf.for %j = %lo to %four step %one {
        scf.for %k = %zero to %j step %one {
          %kk = arith.index_cast %k : index to i32
          fp.put %y, %kk : !fp.stream<i32, 2>, i32
        } {loop_name = "k"}
      } {loop_name = "j"}
    } {loop_name = "i"}
""",
    # Two bodies of one loop, each with a read-modify-write of one block RAM, some in the same element.
    "read_modify_write_in_two_bodies": """
    %a = memref.alloc() {name = "a", partition = ["none"], storage = "BRAM"} : memref<4xi32>
    fp.fill %a, %n0 : memref<4xi32>, i32
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %s = arith.trunci %v : i8 to i2
      %e = arith.extui %s : i2 to i32
      %w = arith.extui %v : i8 to i32
      %at = arith.index_cast %e : i32 to index
      %old = memref.load %a[%at] : memref<4xi32>
      %m1 = arith.muli %old, %w : i32
      %new = arith.addi %m1, %w : i32
      memref.store %new, %a[%at] : memref<4xi32>
      %v2 = fp.get %x : !fp.stream<i8, 2> -> i8
      %s2 = arith.trunci %v2 : i8 to i2
      %e2 = arith.extui %s2 : i2 to i32
      %w2 = arith.extui %v2 : i8 to i32
      %at2 = arith.index_cast %e2 : i32 to index
      %old2 = memref.load %a[%at2] : memref<4xi32>
      fp.put %y, %old2 : !fp.stream<i32, 2>, i32
      %new2 = arith.xori %old2, %w2 : i32
      memref.store %new2, %a[%at2] : memref<4xi32>
    } {loop_name = "i"}
    scf.for %i = %zero to %four step %one {
      %old = memref.load %a[%i] : memref<4xi32>
      fp.put %y, %old : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
    # Arrays written by the lanes of one loop and read crosswise by those of the next.
    "lanes_after_lanes": """
    %a = memref.alloc() {name = "a", partition = ["complete"]} : memref<4xi32>
    fp.fill %a, %n0 : memref<4xi32>, i32
    %b = memref.alloc() {name = "b", partition = ["complete"]} : memref<4xi32>
    fp.fill %b, %m0 : memref<4xi32>, i32
    %c3 = arith.constant 3 : index
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %w = arith.extui %v : i8 to i32
      scf.for %j = %zero to %four step %one {
        %o = memref.load %a[%j] : memref<4xi32>
        %q = arith.muli %o, %w : i32
        %jj = arith.index_cast %j : index to i32
        %r = arith.addi %q, %jj : i32
        memref.store %r, %a[%j] : memref<4xi32>
      } {loop_name = "j", unroll = 0 : i32}
      %mid = memref.load %a[%two] : memref<4xi32>
      scf.for %j = %zero to %four step %one {
        %n1 = arith.subi %c3, %j : index
        %o = memref.load %a[%n1] : memref<4xi32>
        %p = memref.load %b[%j] : memref<4xi32>
        %r = arith.addi %o, %p : i32
        memref.store %r, %b[%j] : memref<4xi32>
      } {loop_name = "j", unroll = 0 : i32}
      memref.store %mid, %a[%zero] : memref<4xi32>
      scf.for %j = %zero to %four step %one {
        %o = memref.load %a[%j] : memref<4xi32>
        %p = memref.load %b[%j] : memref<4xi32>
        %c = arith.cmpi sgt, %o, %p : i32
        scf.if %c {
          memref.store %p, %a[%j] : memref<4xi32>
        } else {
          memref.store %w, %a[%j] : memref<4xi32>
        }
      } {loop_name = "j", unroll = 0 : i32}
      %oo = memref.load %b[%i] : memref<4xi32>
      fp.put %y, %oo : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
    scf.for %i = %zero to %four step %one {
      %old = memref.load %a[%i] : memref<4xi32>
      fp.put %y, %old : !fp.stream<i32, 2>, i32
    } {loop_name = "i"}
""",
}

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


# A process that must give before it gets, on one side of a condition only; the other end answers.
CYCLE = """builtin.module attributes {fp.unit = "cycle"} {
  func.func @cycle_ask(%m: memref<1xi32>, %q: !fp.stream<i8, 1>, %a: !fp.stream<i8, 1>, %x: !fp.stream<i8, 2>,
      %y: !fp.stream<i32, 2>)
      attributes {fp.process, arg_names = ["m", "q", "a", "x", "y"],
        itypes = "sssss", directions = "ioiio"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %four = arith.constant 4 : index
    %two = arith.constant 2 : index
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %w = arith.extui %v : i8 to i32
      %c = arith.cmpi slt, %i, %two : index
      scf.if %c {
        fp.put %q, %v : !fp.stream<i8, 1>, i8
        %r = fp.get %a : !fp.stream<i8, 1> -> i8
        %e = arith.extui %r : i8 to i32
        fp.put %y, %e : !fp.stream<i32, 2>, i32
      } else {
        %r = fp.get %a : !fp.stream<i8, 1> -> i8
        fp.put %q, %r : !fp.stream<i8, 1>, i8
        fp.put %y, %w : !fp.stream<i32, 2>, i32
      }
    } {loop_name = "i"}
    func.return
  }
  func.func @cycle_answer(%m: memref<1xi32>, %q: !fp.stream<i8, 1>, %a: !fp.stream<i8, 1>)
      attributes {fp.process, arg_names = ["m", "q", "a"],
        itypes = "sss", directions = "iio"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %four = arith.constant 4 : index
    %two = arith.constant 2 : index
    %m0 = memref.load %m[%zero] : memref<1xi32>
    %b = arith.trunci %m0 : i32 to i8
    scf.for %i = %zero to %four step %one {
      %c = arith.cmpi slt, %i, %two : index
      scf.if %c {
        %v = fp.get %q : !fp.stream<i8, 1> -> i8
        %r = arith.addi %v, %b : i8
        fp.put %a, %r : !fp.stream<i8, 1>, i8
      } else {
        fp.put %a, %b : !fp.stream<i8, 1>, i8
        %v = fp.get %q : !fp.stream<i8, 1> -> i8
      }
    } {loop_name = "i"}
    func.return
  }
  func.func @cycle(%m: memref<1xi32>, %x: !fp.stream<i8, 2>, %y: !fp.stream<i32, 2>)
      attributes {fp.region, arg_names = ["m", "x", "y"],
        itypes = "sss", directions = "iio"} {
    %q = fp.create "q" : !fp.stream<i8, 1>
    %a = fp.create "a" : !fp.stream<i8, 1>
    func.call @cycle_ask(%m, %q, %a, %x, %y) {instance = "ask", slr = 1 : i32, domain = "kernel"} :
      (memref<1xi32>, !fp.stream<i8, 1>, !fp.stream<i8, 1>, !fp.stream<i8, 2>, !fp.stream<i32, 2>) -> ()
    func.call @cycle_answer(%m, %q, %a) {instance = "answer", slr = 0 : i32, domain = "kernel"} :
      (memref<1xi32>, !fp.stream<i8, 1>, !fp.stream<i8, 1>) -> ()
    func.return
  }
}
"""


def programs() -> dict[str, str]:
    """All of them by unit name."""
    return {name: program(name, body) for name, body in BODIES.items()} | {"cycle": CYCLE}


@pytest.fixture(scope="module")
def failures() -> list[str]:
    from campaign import prepare_text
    from simulate import simulate

    return simulate([prepare_text(text, number) for number, text in enumerate(programs().values())])


@pytest.mark.parametrize("name", list(programs()))
def test_rtl_does_what_the_interpreter_does(name: str, failures: list[str]) -> None:
    assert [line for line in failures if f" {name} " in line] == []


def test_nothing_else_failed(failures: list[str]) -> None:
    known = [line for line in failures if any(f" {name} " in line for name in programs())]
    assert [line for line in failures if line not in known] == []
