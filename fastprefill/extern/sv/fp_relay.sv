// Valid/ready stream across HOPS register stages in each direction, for a die (SLR) crossing.
//
// The near end spends credits, so `in_ready` comes from registers and nothing has to stop on the way. The far
// end's FIFO holds a whole round trip: a token can be accepted and delivered in every cycle.
module fp_relay #(
    parameter int WIDTH = 8,
    parameter int HOPS = 1,
    parameter int TAKEN = 0  // out_ready comes with out_valid alone
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             in_valid,
    input  wire [WIDTH-1:0] in_data,
    output wire             in_ready,
    output wire             out_valid,
    output wire [WIDTH-1:0] out_data,
    input  wire             out_ready
`ifdef FORMAL
    // What is inside, for the proof in extern/formal.
    , input wire [$clog2(2 * HOPS + 4)-1:0] probe_at, output wire [WIDTH-1:0] probe_word,
    output wire [$clog2(2 * HOPS + 4)-1:0] probe_held, output wire [$clog2(2 * HOPS + 4)-1:0] probe_count,
    output wire [HOPS-1:0] probe_forth, output wire [HOPS-1:0] probe_back,
    output wire [HOPS*WIDTH-1:0] probe_hops, output wire probe_credit
`endif
);
  // HOPS out, one in the FIFO, one in its credit register, HOPS back, one in the counter.
  localparam int DEPTH = 2 * HOPS + 3;
  localparam int CW = $clog2(DEPTH + 1);

  wire [CW-1:0] count;
  wire accept = in_valid && in_ready;

  // No shift-register LUTs: each stage has to be a flip-flop that can sit at the border.
  (* shreg_extract = "no" *) logic [HOPS-1:0] forth;
  (* shreg_extract = "no" *) logic [HOPS-1:0] back;
  (* shreg_extract = "no" *) logic [WIDTH-1:0] word[0:HOPS-1];
  wire credit;

  generate
    for (genvar i = 0; i < HOPS; i = i + 1) begin : g_hop
      always_ff @(posedge clk) begin
        forth[i] <= !rst && (i == 0 ? accept : forth[i == 0 ? 0 : i-1]);
        back[i] <= !rst && (i == 0 ? credit : back[i == 0 ? 0 : i-1]);
        word[i] <= i == 0 ? in_data : word[i == 0 ? 0 : i-1];
      end
`ifdef FORMAL
      assign probe_hops[i*WIDTH+:WIDTH] = word[i];
`endif
    end
  endgenerate

  fp_credit #(.INITIAL(DEPTH), .MAXIMUM(DEPTH), .TAKE_WIDTH(1), .BACK_WIDTH(1)) near (
      .clk(clk), .rst(rst), .take(accept), .back(1'b0), .credit(back[HOPS-1]), .count(count),
      .some(in_ready));
  wire unused_count = &{1'b0, count};

  fp_fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH), .TAKEN(TAKEN)) far (
      .clk(clk), .rst(rst), .put(forth[HOPS-1]), .put_data(word[HOPS-1]), .credit(credit),
      .valid(out_valid), .data(out_data), .ready(out_ready)
`ifdef FORMAL
      , .probe_at(probe_at), .probe_word(probe_word), .probe_held(probe_held)
`endif
  );

`ifdef FORMAL
  assign probe_forth = forth;
  assign probe_back = back;
  assign probe_count = count;
  assign probe_credit = credit;
`endif
endmodule
