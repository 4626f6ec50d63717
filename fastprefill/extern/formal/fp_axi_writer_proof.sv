// fp_axi_writer: no beat is lost, every issued burst is sent whole and is answered before the writer is idle.
//
// Assumed: the memory answers a burst only after its last beat has left the buffer, in any order between IDs; a reset
// at power-up, and any number of resets of the design later. Shown: room, stored and promised beats always add up to
// the buffer; the beats that are owed to the bus are the promised ones and those in the output queue, so that a burst
// never waits for data; no burst crosses BOUNDARY; what is on offer stays until it is taken. One burst that the solver
// picks (`ahead` are in front of it) is read from the buffer with its beats, then answered, before the writer is idle;
// one beat that it picks leaves the buffer unchanged, after those that came earlier (`older`), unless a reset drops it
// because no burst was issued for it. That the queue of issued bursts gives what was put into it is assumed (`queue` is a
// copy of it): fp_fifo_proof shows it.
module fp_axi_writer_proof #(
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
    input wire in_valid,
    input wire [15:0] in_data,
    input wire clear_error,
    input wire awready,
    input wire wready,
    input wire bid,
    input wire [1:0] bresp,
    input wire bvalid,
    input wire pick,
    input wire pick_beat
);
  localparam int CW = $clog2(BUFFER + 1);
  localparam int QW = BUFFER > 1 ? $clog2(BUFFER) : 1;
  localparam int OW = $clog2(OUTSTANDING + 1);
  localparam int BW = $clog2(BURST + 1);

  wire cmd_ready, in_ready, done, idle, awid, awvalid, wvalid, wlast, bready;
  wire [15:0] wdata, probe_data, probe_word;
  wire [1:0] wstrb, error;
  wire [4:0] awaddr;
  wire [7:0] awlen, probe_out, probe_sending;
  wire [OW-1:0] probe_bursts, probe_unanswered, probe_credits;
  wire [IDS*OW-1:0] probe_answers;
  wire [CW-1:0] probe_stored, probe_promised, probe_free;
  wire [QW-1:0] probe_write, probe_promise, probe_read;
  wire [BW-1:0] probe_beats, probe_beat, probe_issued, probe_head_beats;
  wire probe_issue_id, probe_head_id, probe_issue, probe_put, probe_take, probe_done, probe_pop, probe_answer_credit;

  logic running = 0;
  logic [7:0] owed;
  logic order_id;
  logic [OW-1:0] sent[0:IDS-1];
  logic [BW-1:0] queue[0:OUTSTANDING-1];
  logic [7:0] queued;
  logic tracked, in_order;
  logic [OW-1:0] ahead, ahead_answer;
  logic [BW-1:0] t_beats;
  logic seen, s_out;
  logic [CW-1:0] older;
  logic [QW-1:0] s_at;
  logic [15:0] s_data;
  logic aw_stalled, w_stalled, s_awid, s_wlast;
  logic [4:0] s_awaddr;
  logic [7:0] s_awlen;
  logic [15:0] s_wdata;
  logic [1:0] s_wstrb;

  fp_axi_writer #(.DATA_WIDTH(16), .ADDRESS_WIDTH(5), .LENGTH_WIDTH(4), .IDS(IDS), .BURST(BURST),
                  .OUTSTANDING(OUTSTANDING), .BUFFER(BUFFER), .BOUNDARY(BOUNDARY)) dut (
      .clk(clk), .rst(rst), .bus_rst(bus_rst), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready),
      .cmd_address(cmd_address), .cmd_bytes(cmd_bytes), .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
      .done(done), .idle(idle), .clear_error(clear_error), .error(error), .m_axi_awid(awid), .m_axi_awaddr(awaddr),
      .m_axi_awlen(awlen), .m_axi_awvalid(awvalid), .m_axi_awready(awready), .m_axi_wdata(wdata),
      .m_axi_wstrb(wstrb), .m_axi_wlast(wlast), .m_axi_wvalid(wvalid), .m_axi_wready(wready), .m_axi_bid(bid),
      .m_axi_bresp(bresp), .m_axi_bvalid(bvalid), .m_axi_bready(bready), .probe_at(ahead),
      .probe_bursts(probe_bursts), .probe_unanswered(probe_unanswered), .probe_credits(probe_credits),
      .probe_answers(probe_answers), .probe_stored(probe_stored), .probe_promised(probe_promised),
      .probe_free(probe_free), .probe_write(probe_write), .probe_promise(probe_promise), .probe_read(probe_read),
      .probe_beats(probe_beats), .probe_beat(probe_beat), .probe_issued(probe_issued), .probe_head_beats(probe_head_beats),
      .probe_issue_id(probe_issue_id), .probe_head_id(probe_head_id), .probe_issue(probe_issue),
      .probe_put(probe_put), .probe_take(probe_take), .probe_done(probe_done), .probe_pop(probe_pop),
      .probe_answer_credit(probe_answer_credit), .probe_out(probe_out), .probe_sending(probe_sending),
      .probe_slot(s_at), .probe_data(probe_data), .probe_word(probe_word));

  wire other = IDS > 1;
  // Bursts that are read from the buffer and not known to be answered; the oldest has the ID `probe_head_id`.
  wire [OW-1:0] away = probe_unanswered - probe_bursts;

  always @* begin
    queued = 0;
    for (int i = 0; i < OUTSTANDING; i = i + 1) if (i < probe_bursts) queued = queued + queue[i];
  end

  always @(posedge clk) begin
    if (rst) running <= 1;
    for (int i = 0; i < OUTSTANDING; i = i + 1)
      if (probe_issue && i == probe_bursts - probe_done) queue[i] <= probe_issued;
      else if (probe_done && i + 1 < OUTSTANDING) queue[i] <= queue[i + 1 < OUTSTANDING ? i + 1 : 0];
    owed <= bus_rst ? 0 : owed + (probe_issue ? probe_issued : 0) - (wvalid && wready);
    order_id <= bus_rst ? 0 : order_id ^ (probe_done && other);
    for (int i = 0; i < IDS; i = i + 1)
      if (bus_rst) sent[i] <= 0;
      else sent[i] <= sent[i] + (probe_done && order_id == i) - (bvalid && bid == i);
    aw_stalled <= awvalid && !awready && !bus_rst;
    s_awid <= awid;
    s_awaddr <= awaddr;
    s_awlen <= awlen;
    w_stalled <= wvalid && !wready && !bus_rst;
    s_wdata <= wdata;
    s_wstrb <= wstrb;
    s_wlast <= wlast;

    if (bus_rst) tracked <= 0;
    else if (!tracked) begin
      tracked <= probe_issue && pick;
      in_order <= 1;
      ahead <= probe_bursts - probe_done;
      ahead_answer <= probe_unanswered - probe_pop;
      t_beats <= probe_issued;
    end else begin
      if (probe_done) begin
        in_order <= in_order && ahead != 0;
        ahead <= ahead - 1'b1;
      end
      if (probe_pop) begin
        tracked <= ahead_answer != 0;
        ahead_answer <= ahead_answer - 1'b1;
      end
    end

    s_out <= !bus_rst && seen && probe_take && older == 0;
    if (bus_rst) seen <= 0;
    else if (!seen) begin
      seen <= probe_put && pick_beat && !rst;
      older <= probe_stored + probe_promised - probe_take;
      s_at <= probe_write;
      s_data <= in_data;
    end else begin
      if (probe_take) older <= older - 1'b1;
      seen <= !(probe_take && older == 0) && !(rst && older >= probe_promised);
    end
  end

  always @* begin
    assume (running || (rst && bus_rst));
    assume (!bus_rst || rst);
    if (!bus_rst) begin
      assume (bid < IDS);
      assume (!bvalid || sent[bid] != 0);
      if (probe_bursts != 0) assume (probe_head_beats == queue[0]);
      for (int i = 0; i < OUTSTANDING; i = i + 1)
        if (i < probe_bursts) assert (queue[i] >= 1 && queue[i] <= BURST);
      if (probe_bursts != 0) assert (probe_beat < queue[0]);
      assert (queued == probe_promised + probe_beat);
      assert (probe_free + probe_stored + probe_promised == BUFFER);
      assert (probe_free <= BUFFER && probe_stored <= BUFFER && probe_promised <= BUFFER);
      if (BUFFER > 1) begin
        assert (((probe_read + probe_promised) & (BUFFER - 1)) == probe_promise);
        assert (((probe_promise + probe_stored) & (BUFFER - 1)) == probe_write);
      end
      assert (owed == probe_promised + probe_sending && probe_out == 4 && (!wvalid || owed != 0));
      if (awvalid) begin
        assert (awlen < BURST && awaddr[0] == 0);
        assert ((awaddr & (BOUNDARY - 1)) + 2 * (awlen + 1) <= BOUNDARY);
      end
      if (aw_stalled) assert (awvalid && awid == s_awid && awaddr == s_awaddr && awlen == s_awlen);
      if (w_stalled) assert (wvalid && wdata == s_wdata && wstrb == s_wstrb && wlast == s_wlast);
      assert (bready);
      assert (probe_credits + probe_unanswered + probe_answer_credit == OUTSTANDING);
      assert (probe_bursts <= probe_unanswered && (probe_bursts != 0 || probe_beat == 0));
      assert (probe_issue_id < IDS && probe_head_id < IDS && order_id < IDS);
      assert (probe_issue_id == (other ? (probe_head_id + probe_unanswered) & 1 : 0));
      assert (order_id == (other ? (probe_head_id + away) & 1 : 0));
      for (int i = 0; i < IDS; i = i + 1)
        assert (32'd0 + sent[i] + probe_answers[i*OW+:OW] == (other ? (away + (probe_head_id == i)) >> 1 : away));
      if (probe_pop) assert (away != 0);
      if (tracked) begin
        assert (!idle && ahead_answer < probe_unanswered);
        if (in_order) begin
          assert (ahead < probe_bursts && ahead_answer == ahead + away);
          assert (probe_beats == t_beats && t_beats != 0);
          if (ahead == 0) assert (probe_beat < t_beats && probe_done == (probe_take && probe_beat + 1 == t_beats));
        end else assert (ahead_answer < away);
      end
      if (seen) begin
        assert (older < probe_stored + probe_promised);
        assert (s_at == (BUFFER > 1 ? (probe_read + older) & (BUFFER - 1) : probe_read));
        assert (probe_data == s_data);
      end
      if (s_out) assert (probe_word == s_data);
    end
  end
endmodule
