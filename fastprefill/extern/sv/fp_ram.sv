// Simple dual-port memory: one write port, one read port, one clock; contents are never reset.
//
//   STYLE  "block"        rdata is registered, one cycle after raddr (RAMB18/RAMB36)
//          "ultra"        rdata is registered, one cycle after raddr (URAM288)
//          "distributed"  rdata follows raddr in the same cycle (LUTRAM)
//
// What a read returns for the address that is written in the same cycle is undefined: URAM and BRAM differ.
module fp_ram #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 512,
    parameter logic [87:0] STYLE = "block",
    parameter int AW = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire             clk,
    input  wire             we,
    input  wire [AW-1:0]    waddr,
    input  wire [WIDTH-1:0] wdata,
    input  wire [AW-1:0]    raddr,
    output wire [WIDTH-1:0] rdata
`ifdef FORMAL
    , input wire [AW-1:0] probe_at, output wire [WIDTH-1:0] probe_word
`endif
);
  localparam logic [87:0] DISTRIBUTED = "distributed";
  localparam logic [87:0] ULTRA = "ultra";

  generate
    if (STYLE == DISTRIBUTED) begin : g_distributed
      (* ram_style = "distributed" *) logic [WIDTH-1:0] memory[0:DEPTH-1];
      always_ff @(posedge clk) if (we) memory[waddr] <= wdata;
      assign rdata = memory[raddr];
`ifdef FORMAL
      assign probe_word = memory[probe_at];
`endif
    end else if (STYLE == ULTRA) begin : g_ultra
      (* ram_style = "ultra" *) logic [WIDTH-1:0] memory[0:DEPTH-1];
      logic [WIDTH-1:0] word;
      always_ff @(posedge clk) begin
        if (we) memory[waddr] <= wdata;
        word <= memory[raddr];
      end
      assign rdata = word;
    end else begin : g_block
      (* ram_style = "block" *) logic [WIDTH-1:0] memory[0:DEPTH-1];
      logic [WIDTH-1:0] word;
      always_ff @(posedge clk) begin
        if (we) memory[waddr] <= wdata;
        word <= memory[raddr];
      end
      assign rdata = word;
`ifdef FORMAL
      assign probe_word = memory[probe_at];
`endif
    end
  endgenerate
endmodule
