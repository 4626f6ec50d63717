// Compares a stream with `<cases>/<index>/<NAME>.bin`, with random back-pressure. A token is as many whole bytes as its
// width needs, most significant first.
//
// `stall` is the chance of not being ready in a cycle, in 1/256, with bursts of up to 63 cycles when it is not zero.
// `ready` does not depend on `valid`. `unstable` is set when an offered token is withdrawn or changed before it was
// taken, `unknown` when valid or a token has an X or Z (four-state simulators only).
module fp_sink #(
    parameter int WIDTH = 8,
    parameter int INDEX = 0,
    parameter NAME = "y"
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             load,
    input  wire [31:0]      index,
    input  wire [31:0]      seed,
    input  wire [8:0]       stall,
    input  wire             valid,
    input  wire [WIDTH-1:0] data,
    output logic            ready,
    output wire             progress,
    output logic [31:0]     seen,
    output logic [31:0]     wanted,
    output logic [31:0]     mismatches,
    output logic [31:0]     first,
    output logic [WIDTH-1:0] expected,
    output logic [WIDTH-1:0] actual,
    output logic            unstable,
    output logic            unknown,
    output logic            missing
);
  localparam int BYTES = (WIDTH + 7) / 8;

  string folder;
  integer file = 0;
  logic more = 0;
  logic waiting = 0;
  logic [8*BYTES-1:0] bytes;
  wire [WIDTH-1:0] token = bytes[WIDTH-1:0];
  logic [WIDTH-1:0] last;
  logic [31:0] random = INDEX + 1;
  logic [5:0] pause = 0;

  // Tokens beyond the last expected one are no progress: a unit that never stops must not run for ever.
  assign progress = valid && ready && more;

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
    ready <= !rst && !gap;

    if (rst) begin
      more = 0;
      waiting <= 0;
      seen <= 0;
      wanted <= 0;
      mismatches <= 0;
      unstable <= 0;
      unknown <= 0;
    end else if (load) begin
      if (file != 0) $fclose(file);
      file = $fopen($sformatf("%s/%0d/%s.bin", folder, index, NAME), "rb");
      if (file == 0) missing <= 1;
      more = file != 0 && $fread(bytes, file) != 0;
      wanted <= more ? 1 : 0;
      seen <= 0;
      mismatches <= 0;
      unstable <= 0;
      unknown <= 0;
      waiting <= 0;
      pause <= 0;
      random <= (seed ^ (32'h85ebca6b * (INDEX + 1))) | 32'h1;
    end else begin
      waiting <= valid && !ready;
      last <= data;
      if (waiting && (!valid || data !== last)) unstable <= 1;
      if ((^valid) === 1'bx) unknown <= 1;
      if (valid && ready) begin
        seen <= seen + 1;
        if ((^data) === 1'bx) unknown <= 1;
        if (!more || data !== token) begin
          mismatches <= mismatches + 1;
          if (mismatches == 0) begin
            first <= seen;
            expected <= token;
            actual <= data;
          end
        end
        if (more) begin
          more = $fread(bytes, file) != 0;
          if (more) wanted <= wanted + 1;
        end
      end
    end
  end
endmodule
