// Credit counter: count' = count - take + back + credit.
//
//   take    credits reserved in this cycle; at most `count`
//   back    reservations that turned out not to be used
//   credit  a slot was freed by the consumer
//
// `count` is a register. It starts at INITIAL and the caller keeps it within 0 .. MAXIMUM.
module fp_credit #(
    parameter int INITIAL = 1,
    parameter int MAXIMUM = 1,
    parameter int TAKE_WIDTH = 1,
    parameter int BACK_WIDTH = 1,
    parameter int CW = $clog2(MAXIMUM + 1)
) (
    input  wire                  clk,
    input  wire                  rst,
    input  wire [TAKE_WIDTH-1:0] take,
    input  wire [BACK_WIDTH-1:0] back,
    input  wire                  credit,
    output logic [CW-1:0]        count
);
  // One bit more than the widest operand, so that no operand is cut and the sum cannot wrap before it is checked.
  localparam int WIDEST = TAKE_WIDTH > BACK_WIDTH ? TAKE_WIDTH : BACK_WIDTH;
  localparam int SW = (WIDEST > CW ? WIDEST : CW) + 1;

  wire [SW-1:0] sum = {{(SW - CW) {1'b0}}, count} - {{(SW - TAKE_WIDTH) {1'b0}}, take}
                    + {{(SW - BACK_WIDTH) {1'b0}}, back} + {{(SW - 1) {1'b0}}, credit};
  wire unused_carry = &{1'b0, sum[SW-1:CW]};

  always_ff @(posedge clk)
    if (rst) count <= INITIAL[CW-1:0];
    else count <= sum[CW-1:0];

`ifdef FP_CHECKS
  localparam logic [SW-1:0] TOP = MAXIMUM[SW-1:0];
  always_ff @(posedge clk)
    if (!rst && sum > TOP)
      $error("fp_credit %m: %0d - %0d + %0d + %0d is outside 0 .. %0d", count, take, back, credit, MAXIMUM);
`endif
endmodule
