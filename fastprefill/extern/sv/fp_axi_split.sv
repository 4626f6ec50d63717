// Cuts commands (byte address, bytes) into AXI4 INCR bursts of whole beats.
//
// A burst has at most BURST beats and never crosses a multiple of BOUNDARY bytes, a power of two of at most 4 KiB, so
// neither a page nor a memory channel that begins on one. A command of no bytes makes no burst.
//
//   address     of the first beat, a multiple of the beat's bytes
//   beats       1 to BURST
//   first_byte  in the first beat, the first byte that belongs to the command
//   end_byte    in the last beat, the byte after the last one; 0 when that is the whole beat
//   last        of the command
//
// A burst is computed in one cycle and on offer from the next until `take`. Only while `stop` is low are commands
// accepted; `busy` is high until the last burst of a command has been taken.
module fp_axi_split #(
    parameter int DATA_WIDTH = 256,
    parameter int ADDRESS_WIDTH = 64,
    parameter int LENGTH_WIDTH = 32,
    parameter int BURST = 16,
    parameter int BOUNDARY = 4096,
    parameter int SW = $clog2(DATA_WIDTH / 8),
    parameter int CW = $clog2(BURST + 1)
) (
    input  wire                     clk,
    input  wire                     rst,
    input  wire                     stop,
    input  wire                     cmd_valid,
    output wire                     cmd_ready,
    input  wire [ADDRESS_WIDTH-1:0] cmd_address,
    input  wire [LENGTH_WIDTH-1:0]  cmd_bytes,
    output logic                    busy,
    output logic                    valid,
    input  wire                     take,
    output wire [ADDRESS_WIDTH-1:0] address,
    output logic [CW-1:0]           beats,
    output logic [SW-1:0]           first_byte,
    output wire [SW-1:0]            end_byte,
    output logic                    last
);
  localparam int IW = ADDRESS_WIDTH - SW;
  localparam int LW = LENGTH_WIDTH + 1 - SW;
  localparam int PAGE = BOUNDARY / (DATA_WIDTH / 8);
  localparam int PW = PAGE > 1 ? $clog2(PAGE) : 1;
  localparam int MOST = BURST < PAGE ? BURST : PAGE;
  localparam logic [PW:0] PAGE_BEATS = PAGE[PW:0];
  localparam logic [CW-1:0] MOST_BEATS = MOST[CW-1:0];

  logic [IW-1:0] at;
  logic [LW-1:0] left;
  logic [SW-1:0] final_byte;

  assign cmd_ready = !busy && !stop;
  assign address = {at, {SW{1'b0}}};
  assign end_byte = last ? final_byte : '0;

  wire accept = cmd_valid && cmd_ready;
  wire [LENGTH_WIDTH:0] reach = {1'b0, cmd_bytes} + {{(LENGTH_WIDTH + 1 - SW) {1'b0}}, cmd_address[SW-1:0]};

  // Beats up to the next boundary; at most BURST of them, and of those that are left.
  wire [PW:0] to_page = PAGE > 1 ? PAGE_BEATS - {1'b0, at[PW-1:0]} : PAGE_BEATS;
  wire [CW-1:0] most = 32'(to_page) < 32'(MOST_BEATS) ? to_page[CW > PW + 1 ? PW : CW - 1:0] : MOST_BEATS;
  wire ends = 64'(left) <= 64'(most);

  always_ff @(posedge clk)
    if (rst) begin
      busy <= 1'b0;
      valid <= 1'b0;
    end else begin
      if (accept) begin
        busy <= cmd_bytes != '0;
        at <= cmd_address[ADDRESS_WIDTH-1:SW];
        left <= reach[LENGTH_WIDTH:SW] + {{(LW - 1) {1'b0}}, reach[SW-1:0] != '0};
        first_byte <= cmd_address[SW-1:0];
        final_byte <= reach[SW-1:0];
      end
      if (busy && !valid) begin
        valid <= 1'b1;
        beats <= ends ? left[CW-1:0] : most;
        last <= ends;
      end
      if (valid && take) begin
        valid <= 1'b0;
        busy <= !last;
        at <= at + {{(IW - CW) {1'b0}}, beats};
        left <= left - {{(LW - CW) {1'b0}}, beats};
        first_byte <= '0;
      end
    end

`ifdef FORMAL
  always @*
    if (!rst) begin
      assert (!valid || busy);
      assert (!busy || left != 0);
      if (valid) assert (beats >= 1 && beats <= BURST && beats <= to_page && beats <= left && last == (beats == left));
    end
`endif
endmodule
