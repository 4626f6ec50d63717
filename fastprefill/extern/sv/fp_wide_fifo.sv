// fp_fifo for wide words: slices with control of their own that run in step, so that no control signal reaches the
// memories of the whole word. A register in front of each slice divides `put`, a LUT `ready`; a token is valid a cycle
// later than in fp_fifo. DEPTH and LARGEST_LUTRAM are those of each slice.
module fp_wide_fifo #(
    parameter int WIDTH = 1024,
    parameter int DEPTH = 2,
    parameter int SLICE = 98,
    parameter int LARGEST_LUTRAM = 512
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             put,
    input  wire [WIDTH-1:0] put_data,
    output wire             credit,
    output wire             valid,
    output wire [WIDTH-1:0] data,
    input  wire             ready
`ifdef FORMAL
    // What is inside, for the proof in extern/formal: of each slice, and the word `probe_at` places behind the head.
    , input wire [$clog2(DEPTH + 1)-1:0] probe_at, output wire [WIDTH-1:0] probe_word, probe_front,
    output wire [((WIDTH + SLICE - 1) / SLICE)*$clog2(DEPTH + 1)-1:0] probe_held,
    output wire [(WIDTH + SLICE - 1) / SLICE-1:0] probe_put, probe_valid, probe_credit
`endif
);
  localparam int SLICES = (WIDTH + SLICE - 1) / SLICE;

  wire [SLICES-1:0] credits, valids;
  assign credit = credits[0];
  assign valid = valids[0];

  for (genvar i = 0; i < SLICES; i++) begin : slices
    localparam int BITS = i == SLICES - 1 ? WIDTH - SLICE * i : SLICE;
    (* keep = "true" *) logic put_now;
    logic [BITS-1:0] word;
    always_ff @(posedge clk) begin
      put_now <= put && !rst;
      word <= put_data[SLICE*i+:BITS];
    end
    fp_fifo #(
        .WIDTH(BITS),
        .DEPTH(DEPTH),
        .LARGEST_LUTRAM(LARGEST_LUTRAM),
        .TAKEN(1)
    ) slice (
        .clk(clk),
        .rst(rst),
        .put(put_now),
        .put_data(word),
        .credit(credits[i]),
        .valid(valids[i]),
        .data(data[SLICE*i+:BITS]),
        .ready(valids[i] && ready)
`ifdef FORMAL
        , .probe_at(probe_at), .probe_word(probe_word[SLICE*i+:BITS]),
        .probe_held(probe_held[$clog2(DEPTH+1)*i+:$clog2(DEPTH+1)])
`endif
    );
`ifdef FORMAL
    assign probe_put[i] = put_now;
    assign probe_front[SLICE*i+:BITS] = word;
`endif
  end

  wire unused_slices = &{1'b0, credits, valids};
`ifdef FORMAL
  assign probe_valid  = valids;
  assign probe_credit = credits;
`endif
endmodule
