"""Directed programs about arrays, lanes, forwarding and constants: bodies of one process."""

from __future__ import annotations

DATA = {
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
    "dynamic_slice_of_many_bits": """
    %v = fp.get %x : !fp.stream<i8, 2> -> i8
    %s = fp.get_slice %v[%ni] : i8 -> i40
    %t = fp.get_slice %s[%one] : i40 -> i32
    fp.put %y, %t : !fp.stream<i32, 2>, i32
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
