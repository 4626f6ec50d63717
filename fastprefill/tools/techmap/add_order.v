// $add as $alu with a chosen order of operands: as written, or with SWAP the second one first.
//
// A CARRY cell takes operand A of a $alu directly (DI) as well as through the LUT before it, and B through that LUT
// alone. Logic in front of B, such as a multiplexer, is merged into the LUT; in front of A it needs LUTs of its own.
// A constant costs nothing on either side, and its order is left to Yosys.
(* techmap_celltype = "$add" *)
module add_order (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;

  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;

  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0;
  wire _TECHMAP_FAIL_ = &_TECHMAP_CONSTMSK_A_ || &_TECHMAP_CONSTMSK_B_;

  wire [Y_WIDTH-1:0] x, co;

`ifdef SWAP
  \$alu #(
    .A_SIGNED(B_SIGNED), .B_SIGNED(A_SIGNED), .A_WIDTH(B_WIDTH), .B_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)
  ) _TECHMAP_REPLACE_ (.A(B), .B(A), .BI(1'b0), .CI(1'b0), .Y(Y), .X(x), .CO(co));
`else
  \$alu #(
    .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)
  ) _TECHMAP_REPLACE_ (.A(A), .B(B), .BI(1'b0), .CI(1'b0), .Y(Y), .X(x), .CO(co));
`endif
endmodule
