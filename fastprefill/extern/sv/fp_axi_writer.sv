// AXI4 burst writer: commands (byte address, bytes) and the beats that hold those bytes in, bursts out.
//
// Beats go in as they will lie in memory: the bytes of the command's first and last beat that do not belong to it are
// not written. A command of no bytes takes no beat.
//
// A burst issues only when all of its beats are in the buffer, so the bus never waits for data. Bursts take the IDs in
// turn; their responses may come in any order. `done` pulses once for each command, in order, when its last burst and
// all before it are answered; commands of no bytes do not pulse.
//
// A response other than OKAY stays in `error` (the first one; 2 SLVERR, 3 DECERR) until `clear_error` or a reset.
//
// `rst` may come at any time while the memory goes on working: commands and beats that no burst was issued for are
// dropped at once, issued bursts are completed with their data, and nothing is accepted until all are answered.
// AWVALID and WVALID never fall before their READY. `bus_rst` comes with a reset of the memory side, at least once
// after power-up, together with `rst`.
//
// `idle`: no command and nothing outstanding. No output depends on an input of the same cycle.
module fp_axi_writer #(
    parameter int DATA_WIDTH = 256,    // 32 to 1024
    parameter int ADDRESS_WIDTH = 64,
    parameter int LENGTH_WIDTH = 32,
    parameter int IDS = 4,
    parameter int BURST = 16,          // beats, 1 to 256
    parameter int OUTSTANDING = 32,    // bursts
    parameter int BUFFER = 64,         // beats; a power of two, at least BURST
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
    input  wire                     in_valid,
    output wire                     in_ready,
    input  wire [DATA_WIDTH-1:0]    in_data,
    output logic                    done,
    output wire                     idle,
    input  wire                     clear_error,
    output logic [1:0]              error,
    output logic [ID_WIDTH-1:0]     m_axi_awid,
    output logic [ADDRESS_WIDTH-1:0] m_axi_awaddr,
    output logic [7:0]              m_axi_awlen,
    output wire [2:0]               m_axi_awsize,
    output wire [1:0]               m_axi_awburst,
    output wire [3:0]               m_axi_awcache,
    output wire [2:0]               m_axi_awprot,
    output logic                    m_axi_awvalid,
    input  wire                     m_axi_awready,
    output wire [DATA_WIDTH-1:0]    m_axi_wdata,
    output wire [DATA_WIDTH/8-1:0]  m_axi_wstrb,
    output wire                     m_axi_wlast,
    output wire                     m_axi_wvalid,
    input  wire                     m_axi_wready,
    input  wire [ID_WIDTH-1:0]      m_axi_bid,
    input  wire [1:0]               m_axi_bresp,
    input  wire                     m_axi_bvalid,
    output wire                     m_axi_bready
`ifdef FORMAL
    // What is inside, for the proof in extern/formal: the queues, the burst `probe_at` places behind the oldest whose
    // beats are not all read, and the beat in slot `probe_slot` of the buffer.
    , input wire [$clog2(OUTSTANDING + 1)-1:0] probe_at,
    output wire [$clog2(OUTSTANDING + 1)-1:0] probe_bursts, probe_unanswered, probe_credits,
    output wire [IDS*$clog2(OUTSTANDING + 1)-1:0] probe_answers,
    output wire [$clog2(BUFFER + 1)-1:0] probe_stored, probe_promised, probe_free,
    output wire [(BUFFER > 1 ? $clog2(BUFFER) : 1)-1:0] probe_write, probe_promise, probe_read,
    output wire [$clog2(BURST + 1)-1:0] probe_beats, probe_beat, probe_issued, probe_head_beats,
    output wire [ID_WIDTH-1:0] probe_issue_id, probe_head_id,
    output wire probe_issue, probe_put, probe_take, probe_done, probe_pop, probe_answer_credit,
    // Tokens and credits of the output queue, and its tokens alone.
    output wire [7:0] probe_out, probe_sending,
    input wire [(BUFFER > 1 ? $clog2(BUFFER) : 1)-1:0] probe_slot, output wire [DATA_WIDTH-1:0] probe_data,
    output wire [DATA_WIDTH-1:0] probe_word
`endif
);
  localparam int BYTES = DATA_WIDTH / 8;
  localparam int SW = $clog2(BYTES);
  localparam int BW = $clog2(BURST + 1);
  localparam int QW = BUFFER > 1 ? $clog2(BUFFER) : 1;
  localparam int CW = $clog2(BUFFER + 1);
  localparam int OW = $clog2(OUTSTANDING + 1);
  localparam int OUT = 4;
  localparam int OUT_CW = $clog2(OUT + 1);
  localparam int LAST_ID = IDS - 1;
  localparam logic [OW-1:0] ALL = OUTSTANDING[OW-1:0];
  localparam logic [CW-1:0] EMPTY = BUFFER[CW-1:0];

  assign m_axi_awsize = SW[2:0];
  assign m_axi_awburst = 2'b01;
  assign m_axi_awcache = 4'b0011;
  assign m_axi_awprot = 3'b000;
  assign m_axi_bready = 1'b1;

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

  // The buffer: beats that are stored, and of them those promised to an issued burst.
  logic [QW-1:0] write_at, promise_at, read_at;
  logic [CW-1:0] stored, promised, room;
  wire take;
  wire [CW-1:0] moved = issue ? {{(CW - BW) {1'b0}}, burst_beats} : '0;
  wire [CW-1:0] promised_next = promised + moved - {{(CW - 1) {1'b0}}, take};
  wire put = in_valid && in_ready;
  localparam bit MORE = BUFFER > 1;

  assign in_ready = room != '0 && !stop;
  always_ff @(posedge clk)
    if (bus_rst) begin
      write_at <= '0;
      promise_at <= '0;
      read_at <= '0;
      stored <= '0;
      promised <= '0;
      room <= EMPTY;
    end else begin
      promised <= promised_next;
      if (MORE) promise_at <= promise_at + moved[QW-1:0];
      if (take && MORE) read_at <= read_at + 1'b1;
      if (rst) begin
        write_at <= promise_at;
        stored <= '0;
        room <= EMPTY - promised_next;
      end else begin
        if (put && MORE) write_at <= write_at + 1'b1;
        stored <= stored + {{(CW - 1) {1'b0}}, put} - moved;
        room <= room + {{(CW - 1) {1'b0}}, take} - {{(CW - 1) {1'b0}}, put};
      end
    end

  // Issue: when the address register is free, all beats are there and the queues of bursts have a place.
  logic [ID_WIDTH-1:0] issue_id, head_id;
  wire [OW-1:0] answer_credits;
  wire answer_credit;
  wire free = !m_axi_awvalid || m_axi_awready;
  assign issue = burst_valid && free && answer_credits != '0 && 32'(stored) >= 32'(burst_beats) && !rst;
  wire [7:0] burst_len = 8'(burst_beats - 1'b1);

  always_ff @(posedge clk)
    if (bus_rst) begin
      m_axi_awvalid <= 1'b0;
      issue_id <= '0;
    end else begin
      if (free) m_axi_awvalid <= issue;
      if (issue) issue_id <= issue_id == LAST_ID[ID_WIDTH-1:0] ? '0 : issue_id + 1'b1;
    end
  always_ff @(posedge clk)
    if (issue) begin
      m_axi_awid <= issue_id;
      m_axi_awaddr <= burst_address;
      m_axi_awlen <= burst_len;
    end

  // The data of issued bursts, in order. Every burst in this queue is in that of the unanswered ones as well.
  wire order_valid, order_done, unused_credit;
  wire [BW-1:0] order_beats;
  wire [SW-1:0] order_first, order_end;
  fp_fifo #(.WIDTH(BW + 2 * SW), .DEPTH(OUTSTANDING)) order (
      .clk(clk), .rst(bus_rst), .put(issue), .put_data({burst_beats, burst_first, burst_end}),
      .credit(unused_credit), .valid(order_valid), .data({order_beats, order_first, order_end}), .ready(order_done)
`ifdef FORMAL
      , .probe_at(probe_at), .probe_held(probe_bursts), .probe_word(probe_entry)
`endif
  );

  logic [BW-1:0] beat;
  wire [OUT_CW-1:0] out_room;
  wire out_credit;
  wire final_beat = beat + 1'b1 == order_beats;
  assign take = order_valid && out_room != '0;
  assign order_done = take && final_beat;
  wire [DATA_WIDTH-1:0] word;
  fp_ram #(.WIDTH(DATA_WIDTH), .DEPTH(BUFFER)) data (
      .clk(clk), .we(put), .waddr(write_at), .wdata(in_data), .raddr(read_at), .rdata(word)
`ifdef FORMAL
      , .probe_at(probe_slot), .probe_word(probe_data)
`endif
  );

  logic read, read_last;
  wire [BYTES-1:0] read_keep;
  always_ff @(posedge clk) begin
    if (bus_rst) beat <= '0;
    else if (take) beat <= final_beat ? '0 : beat + 1'b1;
    read <= take && !bus_rst;
    read_last <= final_beat;
  end
  fp_axi_keep #(.BYTES(BYTES)) strobe (.clk(clk), .first_byte(beat == '0 ? order_first : '0),
      .end_byte(final_beat ? order_end : '0), .keep(read_keep));
  fp_fifo #(.WIDTH(DATA_WIDTH + BYTES + 1), .DEPTH(OUT)) out (
      .clk(clk), .rst(bus_rst), .put(read), .put_data({read_last, read_keep, word}), .credit(out_credit),
      .valid(m_axi_wvalid), .data({m_axi_wlast, m_axi_wstrb, m_axi_wdata}), .ready(m_axi_wready)
`ifdef FORMAL
      , .probe_at('0), .probe_held(out_held), .probe_word()
`endif
  );
  fp_credit #(.INITIAL(OUT), .MAXIMUM(OUT)) out_left (
      .clk(clk), .rst(bus_rst), .take(take), .back(1'b0), .credit(out_credit), .count(out_room), .some());

  // Responses: of each ID, those that have come and whose burst is not yet the oldest unanswered one.
  wire answer_valid, answer_last, pop;
  wire [IDS*OW-1:0] answers;
  fp_fifo #(.WIDTH(1), .DEPTH(OUTSTANDING)) unanswered (
      .clk(clk), .rst(bus_rst), .put(issue), .put_data(burst_last), .credit(answer_credit),
      .valid(answer_valid), .data(answer_last), .ready(pop)
`ifdef FORMAL
      , .probe_at(probe_at), .probe_held(probe_unanswered), .probe_word()
`endif
  );
  fp_credit #(.INITIAL(OUTSTANDING), .MAXIMUM(OUTSTANDING)) answer_room (
      .clk(clk), .rst(bus_rst), .take(issue), .back(1'b0), .credit(answer_credit), .count(answer_credits), .some());
  generate
    for (genvar i = 0; i < IDS; i = i + 1) begin : g_id
      localparam logic [ID_WIDTH-1:0] ID = i[ID_WIDTH-1:0];
      fp_credit #(.INITIAL(0), .MAXIMUM(OUTSTANDING)) answered (
          .clk(clk), .rst(bus_rst), .take(pop && head_id == ID), .back(1'b0),
          .credit(m_axi_bvalid && m_axi_bid == ID), .count(answers[i*OW+:OW]), .some());
    end
  endgenerate
  assign pop = answer_valid && answers[head_id*OW+:OW] != '0;
  always_ff @(posedge clk)
    if (bus_rst) head_id <= '0;
    else if (pop) head_id <= head_id == LAST_ID[ID_WIDTH-1:0] ? '0 : head_id + 1'b1;

  // After a reset nothing is accepted until the last burst from before it has been answered.
  assign idle = !busy && !stop && answer_credits == ALL;
  always_ff @(posedge clk) begin
    stop <= rst || (stop && answer_credits != ALL);
    done <= pop && answer_last && !stop && !rst;
    if (rst || clear_error) error <= 2'b00;
    else if (m_axi_bvalid && m_axi_bresp[1] && !stop && error == 2'b00) error <= m_axi_bresp;
  end
  wire unused = &{1'b0, m_axi_bresp[0], unused_credit};

`ifdef FORMAL
  wire [BW+2*SW-1:0] probe_entry;
  wire [OUT_CW-1:0] out_held;
  assign probe_credits = answer_credits;
  assign probe_answers = answers;
  assign probe_stored = stored;
  assign probe_promised = promised;
  assign probe_free = room;
  assign probe_write = write_at;
  assign probe_promise = promise_at;
  assign probe_read = read_at;
  assign probe_beats = probe_entry[BW+2*SW-1:2*SW];
  assign probe_beat = beat;
  assign probe_head_beats = order_beats;
  assign probe_issued = burst_beats;
  assign probe_issue_id = issue_id;
  assign probe_head_id = head_id;
  assign probe_issue = issue;
  assign probe_put = put;
  assign probe_take = take;
  assign probe_done = order_done;
  assign probe_pop = pop;
  assign probe_answer_credit = answer_credit;
  assign probe_out = out_room + out_held + read + out_credit;
  assign probe_sending = out_held + read;
  assign probe_word = word;
`endif
endmodule
