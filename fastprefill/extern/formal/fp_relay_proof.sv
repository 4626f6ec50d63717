// fp_relay and, with a SLICE, fp_wide_relay: every token accepted is delivered once, whole, unchanged and in order; the
// far FIFO cannot overflow. The slices of a wide one run in step: all of them have the same control.
//
// One token is picked; `ahead` counts those in front of it, `age` the register stages it has passed (HOPS: it is in
// the FIFO). Credits near, tokens and credits on the way, and tokens held always add up to the FIFO's depth.
module fp_relay_proof #(
    parameter int WIDTH = 2,
    parameter int HOPS = 1,
    parameter int TAKEN = 0,
    parameter int SLICE = 0
) (
    input wire clk,
    input wire rst,
    input wire in_valid,
    input wire [WIDTH-1:0] in_data,
    input wire out_ready,
    input wire pick
);
  localparam int DEPTH = 2 * HOPS + 3;
  localparam int CW = $clog2(DEPTH + 1);

  localparam int SLICES = SLICE == 0 ? 1 : (WIDTH + SLICE - 1) / SLICE;

  // Of each slice; the control of the first is looked at, the others are shown to have the same.
  wire [SLICES*CW-1:0] helds, counts;
  wire [SLICES*HOPS-1:0] forths, backs;
  wire [SLICES-1:0] credits, readys, valids;
  wire [CW-1:0] probe_held = helds[CW-1:0], probe_count = counts[CW-1:0];
  wire [HOPS-1:0] probe_forth = forths[HOPS-1:0], probe_back = backs[HOPS-1:0];
  wire probe_credit = credits[0];

  wire in_ready, out_valid;
  wire [WIDTH-1:0] out_data, probe_word;
  wire [HOPS*WIDTH-1:0] probe_hops;
  wire accept = in_valid && in_ready;
  wire take = out_valid && out_ready;

  logic running = 0;
  logic tracked;
  logic [CW-1:0] ahead;
  logic [CW-1:0] age;
  logic [WIDTH-1:0] word;
  logic stalled;
  logic [WIDTH-1:0] offered;

  generate
    if (SLICE == 0) begin : g_relay
      fp_relay #(.WIDTH(WIDTH), .HOPS(HOPS), .TAKEN(TAKEN)) dut (
          .clk(clk), .rst(rst), .in_valid(in_valid), .in_data(in_data), .in_ready(in_ready),
          .out_valid(out_valid), .out_data(out_data), .out_ready(TAKEN != 0 ? take : out_ready),
          .probe_at(ahead), .probe_word(probe_word), .probe_held(helds), .probe_forth(forths), .probe_back(backs),
          .probe_hops(probe_hops), .probe_count(counts), .probe_credit(credits));
      assign readys = in_ready;
      assign valids = out_valid;
    end else begin : g_wide
      fp_wide_relay #(.WIDTH(WIDTH), .HOPS(HOPS), .SLICE(SLICE)) dut (
          .clk(clk), .rst(rst), .in_valid(in_valid), .in_data(in_data), .in_ready(in_ready),
          .out_valid(out_valid), .out_data(out_data), .out_ready(out_ready),
          .probe_at(ahead), .probe_word(probe_word), .probe_held(helds), .probe_forth(forths), .probe_back(backs),
          .probe_hops(probe_hops), .probe_count(counts), .probe_credit(credits), .probe_readys(readys),
          .probe_valids(valids));
    end
  endgenerate

  // Tokens and credits on the way, and tokens on the way that are older than the picked one.
  logic [CW-1:0] going, coming, older;
  always @* begin
    going = 0;
    coming = 0;
    older = 0;
    for (int i = 0; i < HOPS; i = i + 1) begin
      going = going + probe_forth[i];
      coming = coming + probe_back[i];
      if (i > age) older = older + probe_forth[i];
    end
  end

  always @(posedge clk) begin
    if (rst) begin
      running <= 1;
      tracked <= 0;
      stalled <= 0;
    end else begin
      stalled <= out_valid && !out_ready;
      offered <= out_data;
      if (!tracked) begin
        tracked <= accept && pick;
        ahead <= going + probe_held - take;
        word <= in_data;
        age <= 0;
      end else begin
        if (age != HOPS) age <= age + 1'b1;
        if (take) begin
          tracked <= ahead != 0;
          ahead <= ahead - 1'b1;
        end
      end
    end

  end

  always @* begin
    assume (running || rst);
    if (!rst) begin
      assert (probe_count + going + probe_held + probe_credit + coming == DEPTH);
      for (int i = 1; i < SLICES; i = i + 1) begin
        assert (helds[CW*i+:CW] == probe_held && counts[CW*i+:CW] == probe_count && credits[i] == probe_credit);
        assert (forths[HOPS*i+:HOPS] == probe_forth && backs[HOPS*i+:HOPS] == probe_back);
        assert (readys[i] == in_ready && valids[i] == out_valid);
      end
      if (tracked) begin
        assert (age <= HOPS);
        if (age < HOPS) begin
          assert (probe_forth[age]);
          assert (((probe_hops >> (age * WIDTH)) & {WIDTH{1'b1}}) == word);
          assert (ahead == older + probe_held);
        end else begin
          assert (ahead < probe_held);
          assert (probe_word == word);
          if (ahead == 0) assert (out_valid && out_data == word);
        end
      end
      if (stalled) assert (out_valid && out_data == offered);
      assert (out_valid == (probe_held != 0));
    end
  end
endmodule
