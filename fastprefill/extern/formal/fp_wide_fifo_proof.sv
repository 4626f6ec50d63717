// fp_wide_fifo: its slices run in step, and every token put is delivered once, whole, unchanged and in order.
//
// As in fp_fifo_proof one token is picked; it waits in the register in front (`in_front`), then `ahead` counts the tokens
// in front of it. Assumed: no put without a credit. Shown too: credits, tokens held and those in the register always add
// up to DEPTH, and an offered token stays until it is taken.
module fp_wide_fifo_proof #(
    parameter int WIDTH = 5,
    parameter int SLICE = 2,
    parameter int DEPTH = 3,
    parameter int LARGEST_LUTRAM = 512
) (
    input wire clk,
    input wire rst,
    input wire put,
    input wire [WIDTH-1:0] put_data,
    input wire ready,
    input wire pick
);
  localparam int CW = $clog2(DEPTH + 1);
  localparam int SLICES = (WIDTH + SLICE - 1) / SLICE;

  wire credit, valid;
  wire [WIDTH-1:0] data, probe_word, probe_front;
  wire [SLICES*CW-1:0] probe_held;
  wire [SLICES-1:0] probe_put, probe_valid, probe_credit;
  wire [CW-1:0] held = probe_held[CW-1:0];
  wire take = valid && ready;

  logic running = 0;
  logic [CW-1:0] credits;
  logic tracked, in_front;
  logic [CW-1:0] ahead;
  logic [WIDTH-1:0] word;
  logic stalled;
  logic [WIDTH-1:0] offered;

  fp_wide_fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH), .SLICE(SLICE), .LARGEST_LUTRAM(LARGEST_LUTRAM)) dut (
      .clk(clk), .rst(rst), .put(put), .put_data(put_data), .credit(credit), .valid(valid), .data(data),
      .ready(ready), .probe_at(ahead), .probe_word(probe_word), .probe_front(probe_front), .probe_held(probe_held),
      .probe_put(probe_put), .probe_valid(probe_valid), .probe_credit(probe_credit));

  always @(posedge clk) begin
    if (rst) begin
      running <= 1;
      credits <= DEPTH;
      tracked <= 0;
      in_front <= 0;
      stalled <= 0;
    end else begin
      credits <= credits - put + credit;
      stalled <= valid && !ready;
      offered <= data;
      if (!tracked) begin
        tracked <= put && pick;
        in_front <= put && pick;
        word <= put_data;
      end else if (in_front) begin
        in_front <= 0;
        ahead <= held - take;
      end else if (take) begin
        tracked <= ahead != 0;
        ahead <= ahead - 1'b1;
      end
    end

  end

  always @* begin
    assume (running || rst);
    if (!rst) begin
      assume (!put || credits != 0);
      assert (credits + held + credit + probe_put[0] == DEPTH);
      for (int i = 1; i < SLICES; i = i + 1) begin
        assert (probe_held[CW*i+:CW] == held && probe_put[i] == probe_put[0]);
        assert (probe_valid[i] == valid && probe_credit[i] == credit);
      end
      if (in_front) assert (tracked && probe_put[0] && probe_front == word);
      if (tracked && !in_front) begin
        assert (ahead < held);
        assert (probe_word == word);
        if (ahead == 0 && valid) assert (data == word);
      end
      if (stalled) assert (valid && data == offered);
      assert (!valid || held != 0);
      assert (LARGEST_LUTRAM < DEPTH || valid == (held != 0));
    end
  end
endmodule
