// fp_axi_reader: nothing arrives without room, and every burst and beat is delivered once and in order.
//
// Assumed: the memory sends a beat only for a burst whose address it took, in any order between IDs and with any
// delay; a reset at power-up, and any number of resets of the design later. Shown, for each ID: room, beats that are
// there and beats that are owed always add up to the queue, so that it cannot overflow; no burst crosses BOUNDARY; an
// address on offer stays until it is taken. One burst that the solver picks (`ahead` are in front of it) is delivered
// with its beats, from the queue of its ID, before the reader is idle again; one beat that the solver picks comes out
// of its queue unchanged, after those that arrived earlier for the ID (`older`).
module fp_axi_reader_proof #(
    parameter int IDS = 2,
    parameter int BURST = 2,
    parameter int OUTSTANDING = 2,
    parameter int BUFFER = 4,
    parameter int BOUNDARY = 4
) (
    input wire clk,
    input wire rst,
    input wire bus_rst,
    input wire cmd_valid,
    input wire [4:0] cmd_address,
    input wire [3:0] cmd_bytes,
    input wire out_ready,
    input wire clear_error,
    input wire arready,
    input wire rid,
    input wire [15:0] rdata,
    input wire [1:0] rresp,
    input wire rvalid,
    input wire pick,
    input wire pick_beat
);
  localparam int DEPTH = BUFFER / IDS;
  localparam int CW = $clog2(DEPTH + 1);
  localparam int QW = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int SLOT = BUFFER > 1 ? $clog2(BUFFER) : 1;
  localparam int OW = $clog2(OUTSTANDING + 1);
  localparam int BW = $clog2(BURST + 1);
  localparam int WIDE = 4;

  wire cmd_ready, out_valid, out_last, idle, arid, arvalid, rready;
  wire [15:0] out_data, probe_data, probe_word;
  wire [1:0] out_keep;
  wire [1:0] error;
  wire [4:0] araddr;
  wire [7:0] arlen, probe_out;
  wire [OW-1:0] probe_bursts, probe_credits;
  wire [IDS*CW-1:0] probe_room, probe_have, probe_write, probe_read;
  wire [BW-1:0] probe_beats, probe_beat, probe_issued;
  wire probe_issue_id, probe_head_id, probe_issue, probe_take, probe_done, probe_order_credit;

  logic running = 0;
  logic [WIDE-1:0] owed[0:IDS-1];
  logic tracked, t_id;
  logic [OW-1:0] ahead;
  logic [BW-1:0] t_beats;
  logic seen, s_id, s_out;
  logic [CW-1:0] older;
  logic [QW-1:0] s_at;
  logic [15:0] s_data;
  logic stalled, s_arid;
  logic [4:0] s_araddr;
  logic [7:0] s_arlen;

  fp_axi_reader #(.DATA_WIDTH(16), .ADDRESS_WIDTH(5), .LENGTH_WIDTH(4), .IDS(IDS), .BURST(BURST),
                  .OUTSTANDING(OUTSTANDING), .BUFFER(BUFFER), .BOUNDARY(BOUNDARY)) dut (
      .clk(clk), .rst(rst), .bus_rst(bus_rst), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready),
      .cmd_address(cmd_address), .cmd_bytes(cmd_bytes), .out_valid(out_valid), .out_ready(out_ready),
      .out_data(out_data), .out_keep(out_keep), .out_last(out_last), .idle(idle), .clear_error(clear_error),
      .error(error), .m_axi_arid(arid), .m_axi_araddr(araddr), .m_axi_arlen(arlen), .m_axi_arvalid(arvalid),
      .m_axi_arready(arready), .m_axi_rid(rid), .m_axi_rdata(rdata), .m_axi_rresp(rresp), .m_axi_rlast(1'b0),
      .m_axi_rvalid(rvalid), .m_axi_rready(rready), .probe_at(ahead), .probe_bursts(probe_bursts),
      .probe_credits(probe_credits), .probe_room(probe_room), .probe_have(probe_have), .probe_write(probe_write),
      .probe_read(probe_read), .probe_beats(probe_beats), .probe_beat(probe_beat), .probe_issued(probe_issued),
      .probe_issue_id(probe_issue_id), .probe_head_id(probe_head_id), .probe_issue(probe_issue),
      .probe_take(probe_take), .probe_done(probe_done), .probe_order_credit(probe_order_credit),
      .probe_out(probe_out), .probe_slot(IDS == 1 ? s_at : DEPTH == 1 ? s_id : {s_id, s_at}), .probe_data(probe_data),
      .probe_word(probe_word));

  wire s_take = probe_take && probe_head_id == s_id;

  always @(posedge clk) begin
    if (rst) running <= 1;
    for (int i = 0; i < IDS; i = i + 1)
      if (bus_rst) owed[i] <= 0;
      else owed[i] <= owed[i] + (arvalid && arready && arid == i ? arlen + 1'b1 : 0) - (rvalid && rid == i);
    stalled <= arvalid && !arready && !bus_rst;
    s_arid <= arid;
    s_araddr <= araddr;
    s_arlen <= arlen;

    if (bus_rst) tracked <= 0;
    else if (!tracked) begin
      tracked <= probe_issue && pick;
      ahead <= probe_bursts - probe_done;
      t_id <= probe_issue_id;
      t_beats <= probe_issued;
    end else if (probe_done) begin
      tracked <= ahead != 0;
      ahead <= ahead - 1'b1;
    end

    s_out <= !bus_rst && seen && s_take && older == 0;
    if (bus_rst) seen <= 0;
    else if (!seen) begin
      seen <= rvalid && pick_beat;
      s_id <= rid;
      older <= probe_have[rid*CW+:CW] - (probe_take && probe_head_id == rid);
      s_at <= probe_write[rid*QW+:QW];
      s_data <= rdata;
    end else if (s_take) begin
      seen <= older != 0;
      older <= older - 1'b1;
    end
  end

  always @* begin
    assume (running || (rst && bus_rst));
    assume (!bus_rst || rst);
    if (!bus_rst) begin
      assume (rid < IDS);
      assume (!rvalid || owed[rid] != 0);
      for (int i = 0; i < IDS; i = i + 1) begin
        assert (probe_room[i*CW+:CW] + probe_have[i*CW+:CW] + owed[i]
                + (arvalid && arid == i ? arlen + 1'b1 : 0) == DEPTH);
        assert (probe_room[i*CW+:CW] <= DEPTH && probe_have[i*CW+:CW] <= DEPTH && owed[i] <= DEPTH);
        if (DEPTH > 1) assert (((probe_read[i*QW+:QW] + probe_have[i*CW+:CW]) & (DEPTH - 1)) == probe_write[i*QW+:QW]);
      end
      if (arvalid) begin
        assert (arlen < BURST && araddr[0] == 0);
        assert ((araddr & (BOUNDARY - 1)) + 2 * (arlen + 1) <= BOUNDARY);
      end
      if (stalled) assert (arvalid && arid == s_arid && araddr == s_araddr && arlen == s_arlen);
      assert (rready);
      assert (probe_credits + probe_bursts + probe_order_credit == OUTSTANDING);
      assert (probe_bursts != 0 || probe_beat == 0);
      assert (probe_issue_id < IDS && probe_head_id < IDS);
      assert (probe_issue_id == (IDS > 1 ? (probe_head_id + probe_bursts) & 1 : 0));
      if (!rst) assert (probe_out == 4);
      if (tracked) begin
        assert (ahead < probe_bursts && !idle);
        assert (probe_beats == t_beats && t_beats != 0);
        assert (t_id == (IDS > 1 ? (probe_head_id + ahead) & 1 : 0));
        if (ahead == 0) assert (probe_beat < t_beats && probe_done == (probe_take && probe_beat + 1 == t_beats));
      end
      if (seen) begin
        assert (s_id < IDS && older < probe_have[s_id*CW+:CW]);
        if (DEPTH > 1) assert (s_at == ((probe_read[s_id*QW+:QW] + older) & (DEPTH - 1)));
        else assert (s_at == probe_read[s_id*QW+:QW]);
        assert (probe_data == s_data);
      end
      if (s_out) assert (probe_word == s_data);
    end
  end
endmodule
