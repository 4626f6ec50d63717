// fp_relay for wide words: relays for parts of the word that run in step, as all get the same valid and ready, so that
// no control drives registers and memories of the whole word. A LUT for each part divides `out_ready`.
module fp_wide_relay #(
    parameter int WIDTH = 1024,
    parameter int HOPS = 1,
    parameter int SLICE = 98
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
    // What is inside, for the proof in extern/formal: of each slice, and the words that are under way or held.
    , input wire [$clog2(2 * HOPS + 4)-1:0] probe_at, output wire [WIDTH-1:0] probe_word,
    output wire [((WIDTH + SLICE - 1) / SLICE)*$clog2(2 * HOPS + 4)-1:0] probe_held, probe_count,
    output wire [((WIDTH + SLICE - 1) / SLICE)*HOPS-1:0] probe_forth, probe_back,
    output wire [HOPS*WIDTH-1:0] probe_hops,
    output wire [(WIDTH + SLICE - 1) / SLICE-1:0] probe_credit, probe_readys, probe_valids
`endif
);
  localparam int SLICES = (WIDTH + SLICE - 1) / SLICE;

  wire [SLICES-1:0] in_readys, out_valids;
  assign in_ready = in_readys[0];
  assign out_valid = out_valids[0];

  for (genvar i = 0; i < SLICES; i++) begin : slices
    localparam int BITS = i == SLICES - 1 ? WIDTH - SLICE * i : SLICE;
    fp_relay #(
        .WIDTH(BITS),
        .HOPS(HOPS),
        .TAKEN(1)
    ) slice (
        .clk(clk),
        .rst(rst),
        .in_valid(in_valid),
        .in_data(in_data[SLICE*i+:BITS]),
        .in_ready(in_readys[i]),
        .out_valid(out_valids[i]),
        .out_data(out_data[SLICE*i+:BITS]),
        .out_ready(out_valids[i] && out_ready)
`ifdef FORMAL
        , .probe_at(probe_at), .probe_word(probe_word[SLICE*i+:BITS]),
        .probe_held(probe_held[$clog2(2*HOPS+4)*i+:$clog2(2*HOPS+4)]),
        .probe_count(probe_count[$clog2(2*HOPS+4)*i+:$clog2(2*HOPS+4)]),
        .probe_forth(probe_forth[HOPS*i+:HOPS]), .probe_back(probe_back[HOPS*i+:HOPS]), .probe_hops(hops),
        .probe_credit(probe_credit[i])
`endif
    );
`ifdef FORMAL
    wire [HOPS*BITS-1:0] hops;
    for (genvar h = 0; h < HOPS; h++) assign probe_hops[WIDTH*h+SLICE*i+:BITS] = hops[BITS*h+:BITS];
`endif
  end

  wire unused_slices = &{1'b0, in_readys, out_valids};
`ifdef FORMAL
  assign probe_readys = in_readys;
  assign probe_valids = out_valids;
`endif
endmodule
