// A chain of DSP slices: p = c + a[0] * b[0] + ... + a[SLICES-1] * b[SLICES-1], signed, modulo 2**48.
//
// The sums run through the cascade wires between neighbouring slices, so the operands come one cycle later for each:
// a[0] and b[0] of cycle t, c and a[1], b[1] of cycle t + 1, a[2] and b[2] of cycle t + 2 are in `p` from cycle
// t + SLICES + 2.
module fp_dsp_cascade #(
    parameter int SLICES = 8
) (
    input  wire                 clk,
    input  wire [27*SLICES-1:0] a,
    input  wire [18*SLICES-1:0] b,
    input  wire [         47:0] c,
    output wire [         47:0] p
);
  // A packed pair of int8 products keeps its low 19-bit field exact for eight slices, and no more.
  if (SLICES < 1 || SLICES > 8) $error("fp_dsp_cascade of %0d slices; 1 to 8 are allowed", SLICES);

  wire [47:0] sums   [SLICES];
  wire [47:0] totals [SLICES];

  for (genvar i = 0; i < SLICES; i++) begin : slices
    fp_dsp48e2 #(
        .FIRST(i == 0)
    ) slice (
        .clk  (clk),
        .a    (a[27*i+:27]),
        .b    (b[18*i+:18]),
        .c    (i == 0 ? c : 48'h0),
        .pcin (i == 0 ? 48'h0 : sums[(i == 0) ? 0 : i-1]),
        .p    (totals[i]),
        .pcout(sums[i])
    );
  end

  assign p = totals[SLICES-1];
endmodule
