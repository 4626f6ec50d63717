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
  // At most eight packed products are added before they leave: no tool elaborates a longer chain.
  if (SLICES < 1 || SLICES > 8) begin : wrong
    fp_dsp_cascade_takes_1_to_8_slices error ();
  end

  wire [48*SLICES+47:0] chain;  // the cascade into each slice, and out of the last
  wire [48*SLICES- 1:0] sums;
  assign chain[47:0] = 48'h0;

  for (genvar i = 0; i < SLICES; i++) begin : slices
    fp_dsp48e2 #(
        .FIRST(i == 0)
    ) slice (
        .clk  (clk),
        .a    (a[27*i+:27]),
        .b    (b[18*i+:18]),
        .c    (c),
        .pcin (chain[48*i+:48]),
        .p    (sums[48*i+:48]),
        .pcout(chain[48*i+48+:48])
    );
  end

  wire unused_cascade = &{1'b0, chain[48*SLICES+:48]};
  assign p = sums[48*SLICES-48+:48];
endmodule
