// AXI4-Lite slave with the ap_ctrl_hs register map of Vitis HLS (UG1399, S_AXILITE control register map).
//
//   0x00  control     bit 0 ap_start, 1 ap_done (cleared by reading), 2 ap_idle, 3 ap_ready (cleared by reading),
//                     bit 7 auto_restart
//   0x04  GIE         bit 0 global interrupt enable
//   0x08  IER         bit 0 interrupt on done, bit 1 on ready
//   0x0c  ISR         the same bits; writing 1 toggles
//   0x10  arguments   ARG_WORDS words; those whose bit in WRITABLE is 0 are reserved and read as 0
//   then  status      version; first error (sticky, cleared by writing); and as 64-bit counters of the latest run
//                     cycles busy, starved, blocked: reading the low word keeps the high word for the next read
//
// The unit's `idle`, `done` and the levels come from registers; `start` is one cycle long. Responses are OKAY.
module fp_control #(
    parameter int ADDRESS_WIDTH = 8,
    parameter int ARG_WORDS = 1,
    parameter logic [ARG_WORDS-1:0] WRITABLE = '1,
    parameter logic [31:0] VERSION = 0
) (
    input  wire                     clk,
    input  wire                     rst,
    input  wire                     awvalid,
    output wire                     awready,
    input  wire [ADDRESS_WIDTH-1:0] awaddr,
    input  wire                     wvalid,
    output wire                     wready,
    input  wire [31:0]              wdata,
    input  wire [3:0]               wstrb,
    output logic                    bvalid,
    input  wire                     bready,
    output wire [1:0]               bresp,
    input  wire                     arvalid,
    output wire                     arready,
    input  wire [ADDRESS_WIDTH-1:0] araddr,
    output logic                    rvalid,
    input  wire                     rready,
    output logic [31:0]             rdata,
    output wire [1:0]               rresp,
    output logic                    irq,
    output wire                     start,
    input  wire                     idle,
    input  wire                     done,
    input  wire [31:0]              error,
    input  wire                     starved,
    input  wire                     blocked,
    output wire [32*ARG_WORDS-1:0]  arguments
);
  localparam int IW = ADDRESS_WIDTH - 2;
  localparam int STATUS_WORD = 4 + ARG_WORDS;
  localparam logic [IW-1:0] CONTROL = 0, GIE = 1, IER = 2, ISR = 3, FIRST_ARGUMENT = 4;
  localparam logic [IW-1:0] STATUS = STATUS_WORD[IW-1:0];

  // Writes: address and data are taken into registers one by one and meet there.
  logic aw_held, w_held;
  logic [IW-1:0] write_word;
  logic [31:0] write_data;
  logic [3:0] write_strobe;
  wire write = aw_held && w_held && (!bvalid || bready);
  assign awready = !aw_held;
  assign wready = !w_held;
  assign bresp = 2'b00;
  assign rresp = 2'b00;

  always_ff @(posedge clk) begin
    if (rst) begin
      aw_held <= 1'b0;
      w_held <= 1'b0;
      bvalid <= 1'b0;
    end else begin
      if (write) begin
        aw_held <= 1'b0;
        w_held <= 1'b0;
      end else begin
        if (awvalid) aw_held <= 1'b1;
        if (wvalid) w_held <= 1'b1;
      end
      bvalid <= write || (bvalid && !bready);
    end
    if (!aw_held) write_word <= awaddr[ADDRESS_WIDTH-1:2];
    if (!w_held) begin
      write_data <= wdata;
      write_strobe <= wstrb;
    end
  end

  function automatic logic [31:0] merged(input logic [31:0] old);
    for (int i = 0; i < 4; i = i + 1)
      merged[8*i+:8] = write_strobe[i] ? write_data[8*i+:8] : old[8*i+:8];
  endfunction

  wire write_low = write && write_strobe[0];

  // Reads: one at a time, answered in the next cycle.
  wire [IW-1:0] read_word = araddr[ADDRESS_WIDTH-1:2];
  wire read = arvalid && arready;
  assign arready = !rvalid;

  logic ap_start, auto_restart, running, done_seen, ready_seen;
  logic gie;
  logic [1:0] ier, isr;
  logic [31:0] first_error;
  logic [63:0] busy_cycles, starved_cycles, blocked_cycles;
  logic [31:0] kept_high;

  assign start = ap_start && !running && idle;

  always_ff @(posedge clk) begin
    if (rst) begin
      ap_start <= 1'b0;
      auto_restart <= 1'b0;
      running <= 1'b0;
      done_seen <= 1'b0;
      ready_seen <= 1'b0;
      gie <= 1'b0;
      ier <= 2'b00;
      isr <= 2'b00;
      irq <= 1'b0;
      first_error <= '0;
    end else begin
      if (write_low && write_word == CONTROL) auto_restart <= write_data[7];
      if (write_low && write_word == CONTROL && write_data[0]) ap_start <= 1'b1;
      else if (done) ap_start <= auto_restart;
      if (start) running <= 1'b1;
      else if (done) running <= 1'b0;
      done_seen <= done || (done_seen && !(read && read_word == CONTROL));
      ready_seen <= done || (ready_seen && !(read && read_word == CONTROL));

      if (write_low && write_word == GIE) gie <= write_data[0];
      if (write_low && write_word == IER) ier <= write_data[1:0];
      isr <= ({2{done}} & ier) | (isr ^ (write_low && write_word == ISR ? write_data[1:0] : 2'b00));
      irq <= gie && isr != 2'b00;

      // An error in the cycle in which the host clears the one before is kept.
      if (first_error == '0 || (write && write_word == STATUS + IW'(1))) first_error <= error;
    end

    if (start) begin
      busy_cycles <= 64'd1;
      starved_cycles <= '0;
      blocked_cycles <= '0;
    end else if (running) begin
      busy_cycles <= busy_cycles + 64'd1;
      if (starved) starved_cycles <= starved_cycles + 64'd1;
      if (blocked) blocked_cycles <= blocked_cycles + 64'd1;
    end
  end

  generate
    for (genvar i = 0; i < ARG_WORDS; i = i + 1) begin : g_argument
      if (WRITABLE[i]) begin : g_register
        localparam int WORD = 4 + i;
        logic [31:0] value;
        always_ff @(posedge clk)
          if (rst) value <= '0;
          else if (write && write_word == WORD[IW-1:0]) value <= merged(value);
        assign arguments[32*i+:32] = value;
      end else begin : g_reserved
        assign arguments[32*i+:32] = '0;
      end
    end
  endgenerate

  // The word of `arguments` that is read; an index outside is not an argument and is not used.
  wire [IW-1:0] argument_at = read_word - FIRST_ARGUMENT;
  logic [31:0] argument;
  always_comb begin
    argument = '0;
    for (int i = 0; i < ARG_WORDS; i = i + 1)
      if (argument_at == i[IW-1:0]) argument = arguments[32*i+:32];
  end

  always_ff @(posedge clk) begin
    rvalid <= !rst && (read || (rvalid && !rready));
    if (read) begin
      case (read_word)
        CONTROL: rdata <= {24'h0, auto_restart, 3'b000, ready_seen, !running && !ap_start, done_seen, ap_start};
        GIE: rdata <= {31'h0, gie};
        IER: rdata <= {30'h0, ier};
        ISR: rdata <= {30'h0, isr};
        STATUS: rdata <= VERSION;
        STATUS + IW'(1): rdata <= first_error;
        STATUS + IW'(2): rdata <= busy_cycles[31:0];
        STATUS + IW'(3): rdata <= kept_high;
        STATUS + IW'(4): rdata <= starved_cycles[31:0];
        STATUS + IW'(5): rdata <= kept_high;
        STATUS + IW'(6): rdata <= blocked_cycles[31:0];
        STATUS + IW'(7): rdata <= kept_high;
        default: rdata <= argument;
      endcase
      if (read_word == STATUS + IW'(2)) kept_high <= busy_cycles[63:32];
      if (read_word == STATUS + IW'(4)) kept_high <= starved_cycles[63:32];
      if (read_word == STATUS + IW'(6)) kept_high <= blocked_cycles[63:32];
    end
  end

  wire unused_low_bits = &{1'b0, awaddr[1:0], araddr[1:0]};
endmodule
