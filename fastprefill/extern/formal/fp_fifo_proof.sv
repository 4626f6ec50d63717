// fp_fifo: every token put is delivered once, unchanged and in order, as long as the producer respects credits.
//
// One token is picked at a time that the solver chooses; `ahead` counts the tokens in front of it. Assumed: no put
// without a credit; with TAKEN no `ready` without a token. Shown: credits and tokens held always add up to DEPTH (so the FIFO never overflows), the
// picked token comes out unchanged when nothing is ahead of it, and an offered token stays until it is taken.
module fp_fifo_proof #(
    parameter int WIDTH = 2,
    parameter int DEPTH = 3,
    parameter int LARGEST_LUTRAM = 512,
    parameter int TAKEN = 0
) (
    input wire clk,
    input wire rst,
    input wire put,
    input wire [WIDTH-1:0] put_data,
    input wire ready,
    input wire pick
);
  localparam int CW = $clog2(DEPTH + 1);

  wire credit, valid;
  wire [WIDTH-1:0] data, probe_word;
  wire [CW-1:0] probe_held;
  wire take = valid && ready;

  logic running = 0;
  logic [CW-1:0] credits;
  logic tracked;
  logic [CW-1:0] ahead;
  logic [WIDTH-1:0] word;
  logic stalled;
  logic [WIDTH-1:0] offered;

  fp_fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH), .LARGEST_LUTRAM(LARGEST_LUTRAM), .TAKEN(TAKEN)) dut (
      .clk(clk), .rst(rst), .put(put), .put_data(put_data), .credit(credit), .valid(valid), .data(data),
      .ready(ready), .probe_at(ahead), .probe_word(probe_word), .probe_held(probe_held));

  always @(posedge clk) begin
    if (rst) begin
      running <= 1;
      credits <= DEPTH;
      tracked <= 0;
      stalled <= 0;
    end else begin
      credits <= credits - put + credit;
      stalled <= valid && !ready;
      offered <= data;
      if (!tracked) begin
        tracked <= put && pick;
        ahead <= probe_held - take;
        word <= put_data;
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
      assume (TAKEN == 0 || !ready || valid);
      assert (credits + probe_held + credit == DEPTH);
      if (tracked) begin
        assert (ahead < probe_held);
        assert (probe_word == word);
        if (ahead == 0 && valid) assert (data == word);
      end
      if (stalled) assert (valid && data == offered);
      assert (!valid || probe_held != 0);
      assert (LARGEST_LUTRAM < DEPTH || valid == (probe_held != 0));
    end
  end
endmodule
