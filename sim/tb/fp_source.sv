// Plays the tokens of `<cases>/<index>/<NAME>.bin` into a stream, with random gaps. A token is as many whole bytes as
// its width needs, most significant first.
//
// `stall` is the chance of a gap, in 1/256, each time a token could be offered; when it is not zero there are also
// bursts of up to 63 idle cycles. An offered token stays until it is taken. While nothing is offered the data are
// the complement of the next token, so that a unit that looks at them gives wrong results. After the last token more
// are offered, until the next reset or load, so that a unit that reads too many is noticed: `taken` counts them too.
// With half of the seeds there are none, so that a unit that waits for a token it does not need is noticed as well.
module fp_source #(
    parameter int WIDTH = 8,
    parameter int INDEX = 0,
    parameter NAME = "x"
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             load,
    input  wire [31:0]      index,
    input  wire [31:0]      seed,
    input  wire [8:0]       stall,
    output logic            valid,
    output logic [WIDTH-1:0] data,
    input  wire             ready,
    output wire             progress,
    output logic [31:0]     taken,
    output logic            missing
);
  localparam int BYTES = (WIDTH + 7) / 8;

  string folder;
  integer file = 0;
  logic more = 0;
  logic playing = 0;
  logic surplus = 0;
  logic [8*BYTES-1:0] bytes;
  wire [WIDTH-1:0] token = bytes[WIDTH-1:0];
  logic [31:0] random = INDEX + 1;
  logic [5:0] pause = 0;

  // Surplus tokens are no progress: a unit that never stops reading must not run for ever.
  assign progress = valid && ready && !surplus;

  wire gap = pause != 0 || {1'b0, random[7:0]} < stall;
  wire [31:0] shifted = random ^ (random << 13);
  wire [31:0] mixed = shifted ^ (shifted >> 17);

  initial begin
    missing = 0;
    if (!$value$plusargs("cases=%s", folder)) missing = 1;
  end

  always @(posedge clk) begin
    random <= mixed ^ (mixed << 5);
    if (pause != 0) pause <= pause - 1'b1;
    else if (stall != 0 && random[31:24] == 0) pause <= random[13:8];

    if (rst) begin
      valid <= 0;
      more = 0;
      playing <= 0;
      taken <= 0;
    end else begin
      if (load) begin
        if (file != 0) $fclose(file);
        file = $fopen($sformatf("%s/%0d/%s.bin", folder, index, NAME), "rb");
        if (file == 0) missing <= 1;
        more = file != 0 && $fread(bytes, file) != 0;
        playing <= 1;
        taken <= 0;
        valid <= 0;
        pause <= 0;
        random <= (seed ^ (32'h9e3779b9 * (INDEX + 1))) | 32'h1;
      end else begin
        if (valid && ready) taken <= taken + 1;
        if (!valid || ready) begin
          valid <= playing && !gap && (more || seed[6]);
          surplus <= !more;
          data <= more && !gap ? token : ~token;
          if (more && !gap) more = $fread(bytes, file) != 0;
        end
      end
    end
  end
endmodule
