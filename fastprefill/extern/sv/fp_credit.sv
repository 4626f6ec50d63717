// Credit counter: count' = count - take + back + credit.
//
//   take    credits reserved in this cycle; at most `count`
//   back    reservations that turned out not to be used
//   credit  a slot was freed by the consumer
//
// `count` is a register. It starts at INITIAL and the caller keeps it within 0 .. MAXIMUM. `some`, a register too, says
// whether it is not 0. With one credit at a time, `take` comes late without harm: it only chooses.
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
    output logic [CW-1:0]        count,
    output logic                 some
);
  // One bit more than the widest operand, so that no operand is cut and the sum cannot wrap before it is checked.
  localparam int WIDEST = TAKE_WIDTH > BACK_WIDTH ? TAKE_WIDTH : BACK_WIDTH;
  localparam int SW = (WIDEST > CW ? WIDEST : CW) + 1;

  wire [SW-1:0] kept = {{(SW - CW) {1'b0}}, count} + {{(SW - BACK_WIDTH) {1'b0}}, back} + {{(SW - 1) {1'b0}}, credit};
  wire [SW-1:0] sum;
  wire any;
  generate
    if (TAKE_WIDTH == 1) begin : g_one
      wire [SW-1:0] left = kept - 1'b1;
      assign sum = take[0] ? left : kept;
      assign any = credit || back != '0 || (take[0] ? count != 1 : some);
    end else begin : g_several
      assign sum = kept - {{(SW - TAKE_WIDTH) {1'b0}}, take};
      assign any = sum != '0;
    end
  endgenerate
  wire unused_carry = &{1'b0, sum[SW-1:CW]};

  always_ff @(posedge clk)
    if (rst) begin
      count <= INITIAL[CW-1:0];
      some <= INITIAL != 0;
    end else begin
      count <= sum[CW-1:0];
      some <= any;
    end

`ifdef FORMAL
  always @* if (!rst) assert (some == (count != '0));
`endif

`ifdef FP_CHECKS
  localparam logic [SW-1:0] TOP = MAXIMUM[SW-1:0];
  always_ff @(posedge clk)
    if (!rst && sum > TOP)
      $error("fp_credit %m: %0d - %0d + %0d + %0d is outside 0 .. %0d", count, take, back, credit, MAXIMUM);
`endif
endmodule
