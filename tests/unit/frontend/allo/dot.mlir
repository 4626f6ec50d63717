#map = affine_map<(d0) -> (d0 * 8)>
#map1 = affine_map<(d0) -> (d0 * 8 + 7)>
#set = affine_set<(d0) : (d0 - 2 >= 0)>
module {
  memref.global "private" constant @offsets : memref<4xi16> = dense<[1, -2, 3, -4]>
  func.func @multiply_0(%arg0: memref<1xi32>, %arg1: !allo.stream<i32, 2>, %arg2: !allo.stream<i32, 2>, %arg3: !allo.stream<memref<4xi32>, 2>) attributes {df.kernel, itypes = "s___", otypes = "", stypes = "_iio", tag = "multiply_0"} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c0_i32 = arith.constant 0 : i32
    %alloc = memref.alloc() {name = "total"} : memref<4xi32, affine_map<(d0) -> (d0, 0)>>
    linalg.fill {op_name = "fill"} ins(%c0_i32 : i32) outs(%alloc : memref<4xi32, affine_map<(d0) -> (d0, 0)>>)
    %0 = affine.load %arg0[0] {from = "ln"} : memref<1xi32>
    %1 = arith.index_cast %0 : i32 to index
    scf.for %arg4 = %c0 to %1 step %c1 {
      %2 = allo.stream_get(%arg1, []) : !allo.stream<i32, 2> -> i32
      %alloc_0 = memref.alloc() {name = "aw", unsigned} : memref<i32>
      affine.store %2, %alloc_0[] {to = "aw", unsigned} : memref<i32>
      %3 = allo.stream_get(%arg2, []) : !allo.stream<i32, 2> -> i32
      %alloc_1 = memref.alloc() {name = "bw", unsigned} : memref<i32>
      affine.store %3, %alloc_1[] {to = "bw", unsigned} : memref<i32>
      affine.for %arg5 = 0 to 4 {
        %4 = affine.load %alloc_0[] {from = "aw", unsigned} : memref<i32>
        %5 = affine.apply #map(%arg5)
        %6 = affine.apply #map1(%arg5)
        %7 = allo.get_slice(%4 : i32, %6, %5) -> i8
        %8 = affine.load %alloc_1[] {from = "bw", unsigned} : memref<i32>
        %9 = allo.get_slice(%8 : i32, %6, %5) -> i8
        %10 = arith.extsi %7 : i8 to i16
        %11 = arith.extsi %9 : i8 to i16
        %12 = arith.muli %10, %11 : i16
        %13 = affine.load %alloc[%arg5] {from = "total"} : memref<4xi32, affine_map<(d0) -> (d0, 0)>>
        %14 = arith.extsi %13 : i32 to i33
        %15 = arith.extsi %12 : i16 to i33
        %16 = arith.addi %14, %15 : i33
        %17 = arith.trunci %16 : i33 to i32
        affine.store %17, %alloc[%arg5] {to = "total"} : memref<4xi32, affine_map<(d0) -> (d0, 0)>>
      } {loop_name = "j", unroll = 0 : ui32}
    } {loop_name = "i", op_name = "S_i_0", pipeline_ii = 1 : ui32}
    %alloc_2 = memref.alloc() {name = "block"} : memref<4xi32>
    affine.for %arg4 = 0 to 4 {
      %2 = affine.load %alloc[%arg4] {from = "total"} : memref<4xi32, affine_map<(d0) -> (d0, 0)>>
      affine.store %2, %alloc_2[%arg4] {to = "block"} : memref<4xi32>
    } {loop_name = "k", op_name = "S_k_1"}
    allo.stream_put(%arg3, [], %alloc_2) : !allo.stream<memref<4xi32>, 2> contains memref<4xi32>
    return
  }
  func.func @send_0(%arg0: !allo.stream<memref<4xi32>, 2>, %arg1: !allo.stream<i32, 2>) attributes {df.kernel, itypes = "__", otypes = "", stypes = "io", tag = "send_0"} {
    %c0_i32 = arith.constant 0 : i32
    %0 = allo.stream_get(%arg0, []) {name = "block"} : !allo.stream<memref<4xi32>, 2> -> memref<4xi32>
    %1 = memref.get_global @offsets : memref<4xi16>
    %alloc = memref.alloc() {name = "left"} : memref<i32>
    %c4_i32 = arith.constant 4 : i32
    affine.store %c4_i32, %alloc[] {to = "left"} : memref<i32>
    scf.while : () -> () {
      %2 = affine.load %alloc[] {from = "left"} : memref<i32>
      %3 = arith.cmpi sgt, %2, %c0_i32 : i32
      scf.condition(%3)
    } do {
      %2 = affine.load %alloc[] {from = "left"} : memref<i32>
      %c1_i32 = arith.constant 1 : i32
      %3 = arith.subi %2, %c1_i32 : i32
      affine.store %3, %alloc[] {to = "left"} : memref<i32>
      scf.yield
    }
    affine.for %arg2 = 0 to 4 {
      %alloc_0 = memref.alloc() {name = "v"} : memref<i32>
      %2 = affine.load %0[-%arg2 + 3] {from = "block"} : memref<4xi32>
      affine.store %2, %alloc_0[] {to = "v"} : memref<i32>
      affine.if #set(%arg2) {
        %4 = affine.load %1[%arg2] {from = "offsets"} : memref<4xi16>
        %5 = arith.extsi %4 : i16 to i32
        %6 = affine.load %alloc_0[] {from = "v"} : memref<i32>
        %7 = arith.addi %6, %5 : i32
        affine.store %7, %alloc_0[] {to = "v"} : memref<i32>
      }
      %3 = affine.load %alloc_0[] {from = "v"} : memref<i32>
      allo.stream_put(%arg1, [], %3) : !allo.stream<i32, 2> contains i32
    } {loop_name = "m", op_name = "S_m_0"}
    return
  }
  func.func @top(%arg0: memref<1xi32>) attributes {dataflow, itypes = "s"} {
    %0 = allo.stream_construct() {name = "a", unsigned} : !allo.stream<i32, 2>
    %1 = allo.stream_construct() {name = "b", unsigned} : !allo.stream<i32, 2>
    %2 = allo.stream_construct() {name = "blocks"} : !allo.stream<memref<4xi32>, 2>
    %3 = allo.stream_construct() {name = "y"} : !allo.stream<i32, 2>
    call @multiply_0(%arg0, %0, %1, %2) : (memref<1xi32>, !allo.stream<i32, 2>, !allo.stream<i32, 2>, !allo.stream<memref<4xi32>, 2>) -> ()
    call @send_0(%2, %3) {last} : (!allo.stream<memref<4xi32>, 2>, !allo.stream<i32, 2>) -> ()
    return
  }
}
