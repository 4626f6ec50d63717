"""Directed programs about loops, conditions and streams: bodies of one process, and networks."""

from __future__ import annotations

CONTROL = {
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
}

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

# A writer that reads what it has put into its buffer, while the reader has others.
WRITER_READS = """builtin.module attributes {fp.unit = "writer_reads"} {
  func.func @writer_reads_w(%m: memref<1xi32>, %b: !fp.blocks<memref<4xi8>, 3>, %x: !fp.stream<i8, 2>)
      attributes {fp.process, arg_names = ["m", "b", "x"], itypes = "sss", directions = "ioi"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %four = arith.constant 4 : index
    scf.for %i = %zero to %four step %one {
      %k = fp.acquire "write" %b : !fp.blocks<memref<4xi8>, 3> -> memref<4xi8>
      scf.for %j = %zero to %four step %one {
        %v = fp.get %x : !fp.stream<i8, 2> -> i8
        memref.store %v, %k[%j] : memref<4xi8>
      } {loop_name = "j"}
      %old = memref.load %k[%one] : memref<4xi8>
      %new = arith.muli %old, %old : i8
      memref.store %new, %k[%zero] : memref<4xi8>
      fp.release %b, %k : !fp.blocks<memref<4xi8>, 3>, memref<4xi8>
    } {loop_name = "i"}
    func.return
  }
  func.func @writer_reads_r(%m: memref<1xi32>, %b: !fp.blocks<memref<4xi8>, 3>, %y: !fp.stream<i8, 2>)
      attributes {fp.process, arg_names = ["m", "b", "y"], itypes = "sss", directions = "iio"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %four = arith.constant 4 : index
    scf.for %i = %zero to %four step %one {
      %k = fp.acquire "read" %b : !fp.blocks<memref<4xi8>, 3> -> memref<4xi8>
      scf.for %j = %zero to %four step %one {
        %v = memref.load %k[%j] : memref<4xi8>
        fp.put %y, %v : !fp.stream<i8, 2>, i8
      } {loop_name = "j"}
      fp.release %b, %k : !fp.blocks<memref<4xi8>, 3>, memref<4xi8>
    } {loop_name = "i"}
    func.return
  }
  func.func @writer_reads(%m: memref<1xi32>, %x: !fp.stream<i8, 2>, %y: !fp.stream<i8, 2>)
      attributes {fp.region, arg_names = ["m", "x", "y"], itypes = "sss", directions = "iio"} {
    %b = fp.create "b" {partition = ["cyclic 2"], storage = "BRAM"} : !fp.blocks<memref<4xi8>, 3>
    func.call @writer_reads_w(%m, %b, %x) {instance = "w", slr = 0 : i32, domain = "kernel"} :
      (memref<1xi32>, !fp.blocks<memref<4xi8>, 3>, !fp.stream<i8, 2>) -> ()
    func.call @writer_reads_r(%m, %b, %y) {instance = "r", slr = 0 : i32, domain = "kernel"} :
      (memref<1xi32>, !fp.blocks<memref<4xi8>, 3>, !fp.stream<i8, 2>) -> ()
    func.return
  }
}
"""
