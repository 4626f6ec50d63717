// AXI4 burst reader: commands (byte address, bytes) in, the beats that hold those bytes out, in command order.
//
// Beats come as they lie in memory: `out_keep` marks the bytes of the command in its first and its last beat,
// `out_last` the last beat. Whole beats are read. A command of no bytes gives no beat.
//
// Bursts take the IDs in turn, and each ID has a queue of BUFFER / IDS beats. A burst issues only when the queue of
// its ID has room for all of it, so RREADY is always high, and data of different IDs may come in any order and
// interleaved. Beats are taken from the queues in the order in which the bursts were issued.
//
// A response other than OKAY stays in `error` (the first one; 2 SLVERR, 3 DECERR) until `clear_error` or a reset; its
// beats are delivered like others.
//
// `rst` may come at any time while the memory goes on working: what was on offer or queued is dropped at once, what is
// outstanding is taken and discarded before the next command is accepted, and ARVALID never falls before ARREADY.
// `bus_rst` comes with a reset of the memory side, at least once after power-up, together with `rst`.
//
// `idle`: no command and nothing outstanding. No output depends on an input of the same cycle.
module fp_axi_reader #(
    parameter int DATA_WIDTH = 256,    // 32 to 1024
    parameter int ADDRESS_WIDTH = 64,
    parameter int LENGTH_WIDTH = 32,
    parameter int IDS = 4,
    parameter int BURST = 16,          // beats, 1 to 256
    parameter int OUTSTANDING = 32,    // bursts
    parameter int BUFFER = 512,        // beats; BUFFER / IDS a power of two, at least BURST
    parameter int BOUNDARY = 4096,     // bytes
    parameter int ID_WIDTH = IDS > 1 ? $clog2(IDS) : 1
) (
    input  wire                     clk,
    input  wire                     rst,
    input  wire                     bus_rst,
    input  wire                     cmd_valid,
    output wire                     cmd_ready,
    input  wire [ADDRESS_WIDTH-1:0] cmd_address,
    input  wire [LENGTH_WIDTH-1:0]  cmd_bytes,
    output wire                     out_valid,
    input  wire                     out_ready,
    output wire [DATA_WIDTH-1:0]    out_data,
    output wire [DATA_WIDTH/8-1:0]  out_keep,
    output wire                     out_last,
    output wire                     idle,
    input  wire                     clear_error,
    output logic [1:0]              error,
    output logic [ID_WIDTH-1:0]     m_axi_arid,
    output logic [ADDRESS_WIDTH-1:0] m_axi_araddr,
    output logic [7:0]              m_axi_arlen,
    output wire [2:0]               m_axi_arsize,
    output wire [1:0]               m_axi_arburst,
    output wire [3:0]               m_axi_arcache,
    output wire [2:0]               m_axi_arprot,
    output logic                    m_axi_arvalid,
    input  wire                     m_axi_arready,
    input  wire [ID_WIDTH-1:0]      m_axi_rid,
    input  wire [DATA_WIDTH-1:0]    m_axi_rdata,
    input  wire [1:0]               m_axi_rresp,
    input  wire                     m_axi_rlast,
    input  wire                     m_axi_rvalid,
    output wire                     m_axi_rready
`ifdef FORMAL
    // What is inside, for the proof in extern/formal: of each ID, and the burst `probe_at` places behind the oldest.
    , input wire [$clog2(OUTSTANDING + 1)-1:0] probe_at,
    output wire [$clog2(OUTSTANDING + 1)-1:0] probe_bursts, probe_credits,
    output wire [IDS*$clog2(BUFFER / IDS + 1)-1:0] probe_room, probe_have,
    output wire [IDS*$clog2(BUFFER / IDS + 1)-1:0] probe_write, probe_read,
    output wire [$clog2(BURST + 1)-1:0] probe_beats, probe_beat, probe_issued,
    output wire [ID_WIDTH-1:0] probe_issue_id, probe_head_id,
    output wire probe_issue, probe_take, probe_done, probe_order_credit,
    // Tokens and credits of the output queue, and the beat in slot `probe_slot` of the buffer.
    output wire [7:0] probe_out,
    input wire [(BUFFER > 1 ? $clog2(BUFFER) : 1)-1:0] probe_slot, output wire [DATA_WIDTH-1:0] probe_data,
    output wire [DATA_WIDTH-1:0] probe_word
`endif
);
  localparam int BYTES = DATA_WIDTH / 8;
  localparam int SW = $clog2(BYTES);
  localparam int BW = $clog2(BURST + 1);
  localparam int DEPTH = BUFFER / IDS;
  localparam int QW = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int CW = $clog2(DEPTH + 1);
  localparam int OW = $clog2(OUTSTANDING + 1);
  localparam int OUT = 4;
  localparam int OUT_CW = $clog2(OUT + 1);
  localparam int LAST_ID = IDS - 1;
  localparam logic [OW-1:0] ALL = OUTSTANDING[OW-1:0];

  assign m_axi_arsize = SW[2:0];
  assign m_axi_arburst = 2'b01;
  assign m_axi_arcache = 4'b0011;
  assign m_axi_arprot = 3'b000;
  assign m_axi_rready = 1'b1;

  // Commands become bursts.
  logic stop;
  wire busy, burst_valid, burst_last;
  wire [ADDRESS_WIDTH-1:0] burst_address;
  wire [BW-1:0] burst_beats;
  wire [SW-1:0] burst_first, burst_end;
  wire issue;

  fp_axi_split #(.DATA_WIDTH(DATA_WIDTH), .ADDRESS_WIDTH(ADDRESS_WIDTH), .LENGTH_WIDTH(LENGTH_WIDTH),
                 .BURST(BURST), .BOUNDARY(BOUNDARY)) split (
      .clk(clk), .rst(rst), .stop(stop), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .cmd_address(cmd_address),
      .cmd_bytes(cmd_bytes), .busy(busy), .valid(burst_valid), .take(issue), .address(burst_address),
      .beats(burst_beats), .first_byte(burst_first), .end_byte(burst_end), .last(burst_last));

  // Issue: when the address register is free, the order queue has a place and the ID's data queue has room.
  logic [ID_WIDTH-1:0] issue_id, head_id;
  wire [IDS*CW-1:0] rooms, haves;
  wire [CW-1:0] room = rooms[issue_id*CW+:CW];
  wire [OW-1:0] order_credits;
  wire order_credit;
  wire free = !m_axi_arvalid || m_axi_arready;
  assign issue = burst_valid && free && order_credits != '0 && 32'(room) >= 32'(burst_beats) && !rst;
  wire [7:0] burst_len = 8'(burst_beats - 1'b1);

  always_ff @(posedge clk)
    if (bus_rst) begin
      m_axi_arvalid <= 1'b0;
      issue_id <= '0;
    end else begin
      if (free) m_axi_arvalid <= issue;
      if (issue) issue_id <= issue_id == LAST_ID[ID_WIDTH-1:0] ? '0 : issue_id + 1'b1;
    end
  always_ff @(posedge clk)
    if (issue) begin
      m_axi_arid <= issue_id;
      m_axi_araddr <= burst_address;
      m_axi_arlen <= burst_len;
    end

  // The order in which bursts were issued.
  wire order_valid, order_last, order_done;
  wire [BW-1:0] order_beats;
  wire [SW-1:0] order_first, order_end;
  fp_fifo #(.WIDTH(BW + 2 * SW + 1), .DEPTH(OUTSTANDING)) order (
      .clk(clk), .rst(bus_rst), .put(issue), .put_data({burst_beats, burst_first, burst_end, burst_last}),
      .credit(order_credit), .valid(order_valid), .data({order_beats, order_first, order_end, order_last}),
      .ready(order_done)
`ifdef FORMAL
      , .probe_at(probe_at), .probe_held(probe_bursts), .probe_word(probe_entry)
`endif
  );
  fp_credit #(.INITIAL(OUTSTANDING), .MAXIMUM(OUTSTANDING)) order_room (
      .clk(clk), .rst(bus_rst), .take(issue), .back(1'b0), .credit(order_credit), .count(order_credits), .some());

  // Of each ID: room that is not reserved, beats that are there, and where they are written and read.
  wire take;
  wire [IDS*QW-1:0] writes, reads;
  generate
    for (genvar i = 0; i < IDS; i = i + 1) begin : g_id
      localparam logic [ID_WIDTH-1:0] ID = i[ID_WIDTH-1:0];
      wire mine = take && head_id == ID;
      wire arrives = m_axi_rvalid && m_axi_rid == ID;
      logic [QW-1:0] write_at, read_at;
      fp_credit #(.INITIAL(DEPTH), .MAXIMUM(DEPTH), .TAKE_WIDTH(BW)) room_left (
          .clk(clk), .rst(bus_rst), .take(issue && issue_id == ID ? burst_beats : '0), .back(1'b0), .credit(mine),
          .count(rooms[i*CW+:CW]), .some());
      fp_credit #(.INITIAL(0), .MAXIMUM(DEPTH)) beats_there (
          .clk(clk), .rst(bus_rst), .take(mine), .back(1'b0), .credit(arrives), .count(haves[i*CW+:CW]), .some());
      always_ff @(posedge clk)
        if (bus_rst) begin
          write_at <= '0;
          read_at <= '0;
        end else begin
          if (arrives && DEPTH > 1) write_at <= write_at + 1'b1;
          if (mine && DEPTH > 1) read_at <= read_at + 1'b1;
        end
      assign writes[i*QW+:QW] = write_at;
      assign reads[i*QW+:QW] = read_at;
    end
  endgenerate

  // Slots of the buffer: the queues lie one after the other.
  localparam int AW = BUFFER > 1 ? $clog2(BUFFER) : 1;
  wire [AW-1:0] write_slot, read_slot;
  generate
    if (IDS == 1) begin : g_one
      assign write_slot = writes;
      assign read_slot = reads;
    end else if (DEPTH == 1) begin : g_single
      assign write_slot = m_axi_rid;
      assign read_slot = head_id;
    end else begin : g_many
      assign write_slot = {m_axi_rid, writes[m_axi_rid*QW+:QW]};
      assign read_slot = {head_id, reads[head_id*QW+:QW]};
    end
  endgenerate

  wire [DATA_WIDTH-1:0] word;
  fp_ram #(.WIDTH(DATA_WIDTH), .DEPTH(BUFFER)) data (
      .clk(clk), .we(m_axi_rvalid), .waddr(write_slot), .wdata(m_axi_rdata), .raddr(read_slot), .rdata(word)
`ifdef FORMAL
      , .probe_at(probe_slot), .probe_word(probe_data)
`endif
  );

  // Deliver: the oldest burst's beats as they come; while stopped, discard them.
  logic [BW-1:0] beat;
  wire [OUT_CW-1:0] out_room;
  wire out_credit;
  wire final_beat = beat + 1'b1 == order_beats;
  assign take = order_valid && haves[head_id*CW+:CW] != '0 && out_room != '0;
  assign order_done = take && final_beat;
  always_ff @(posedge clk)
    if (bus_rst) begin
      beat <= '0;
      head_id <= '0;
    end else if (take) begin
      beat <= final_beat ? '0 : beat + 1'b1;
      if (final_beat) head_id <= head_id == LAST_ID[ID_WIDTH-1:0] ? '0 : head_id + 1'b1;
    end

  wire sent = take && !stop && !rst;
  logic read, read_last;
  wire [BYTES-1:0] read_keep;
  always_ff @(posedge clk) begin
    read <= sent;
    read_last <= order_last && final_beat;
  end
  fp_axi_keep #(.BYTES(BYTES)) strobe (.clk(clk), .first_byte(beat == '0 ? order_first : '0),
      .end_byte(final_beat ? order_end : '0), .keep(read_keep));
  fp_fifo #(.WIDTH(DATA_WIDTH + BYTES + 1), .DEPTH(OUT)) out (
      .clk(clk), .rst(rst), .put(read), .put_data({read_last, read_keep, word}), .credit(out_credit),
      .valid(out_valid), .data({out_last, out_keep, out_data}), .ready(out_ready)
`ifdef FORMAL
      , .probe_at('0), .probe_held(out_held), .probe_word()
`endif
  );
  fp_credit #(.INITIAL(OUT), .MAXIMUM(OUT)) out_left (
      .clk(clk), .rst(rst), .take(sent), .back(1'b0), .credit(out_credit), .count(out_room), .some());

  // After a reset nothing is accepted until the last burst from before it has been discarded.
  assign idle = !busy && !stop && order_credits == ALL;
  always_ff @(posedge clk) begin
    stop <= rst || (stop && order_credits != ALL);
    if (rst || clear_error) error <= 2'b00;
    else if (m_axi_rvalid && m_axi_rresp[1] && !stop && error == 2'b00) error <= m_axi_rresp;
  end
  wire unused = &{1'b0, m_axi_rlast, m_axi_rresp[0]};

`ifdef FORMAL
  wire [BW+2*SW:0] probe_entry;
  assign probe_credits = order_credits;
  assign probe_room = rooms;
  assign probe_have = haves;
  assign probe_write = writes;
  assign probe_read = reads;
  assign probe_beats = probe_entry[BW+2*SW:2*SW+1];
  assign probe_beat = beat;
  assign probe_issued = burst_beats;
  assign probe_issue_id = issue_id;
  assign probe_head_id = head_id;
  assign probe_issue = issue;
  assign probe_take = take;
  assign probe_done = order_done;
  assign probe_order_credit = order_credit;
  wire [OUT_CW-1:0] out_held;
  assign probe_out = out_room + out_held + read + out_credit;
  assign probe_word = word;
`endif
endmodule
