// First-word-fall-through FIFO whose producer counts credits: there is no full or ready towards it.
//
// The producer starts with DEPTH credits, spends one per put and gets one back with each pulse of `credit`,
// which comes from a register in the cycle after a token was taken (valid && ready). `valid` and `data` never
// depend on `ready`, `put` or `put_data` in the same cycle. A consumer that raises `ready` with `valid` alone says so
// with TAKEN, which saves a LUT behind what comes late.
//
//   DEPTH 1          a register
//   DEPTH 2..512     LUTRAM; a token is valid in the cycle after its put
//   DEPTH above      block RAM, whose output register is the prefetched word; valid two cycles after the put
module fp_fifo #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter int LARGEST_LUTRAM = 512,
    parameter int TAKEN = 0
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             put,
    input  wire [WIDTH-1:0] put_data,
    output logic            credit,
    output logic            valid,
    output wire [WIDTH-1:0] data,
    input  wire             ready
`ifdef FORMAL
    // What is inside, for the proofs in extern/formal: the word `probe_at` places behind the head.
    , input wire [$clog2(DEPTH + 1)-1:0] probe_at, output wire [WIDTH-1:0] probe_word,
    output wire [$clog2(DEPTH + 1)-1:0] probe_held
`endif
);
  localparam int AW = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int CW = $clog2(DEPTH + 1);
  localparam int LAST_WORD = DEPTH - 1;

  wire take = TAKEN != 0 ? ready : valid && ready;
`ifdef FP_CHECKS
  always_ff @(posedge clk)
    if (!rst && TAKEN != 0 && ready && !valid) $error("fp_fifo %m: ready without a token");
`endif

  always_ff @(posedge clk) credit <= take && !rst;

  generate
    if (DEPTH == 1) begin : g_register
      logic [WIDTH-1:0] word;
      always_ff @(posedge clk) begin
        if (put) word <= put_data;
        valid <= !rst && (put || (valid && !take));
      end
      assign data = word;
`ifdef FORMAL
      assign probe_held = valid;
      assign probe_word = word;
      wire unused_probe = probe_at;
`endif
    end else begin : g_memory
      localparam bit PREFETCH = DEPTH > LARGEST_LUTRAM;
      localparam logic [AW-1:0] LAST = LAST_WORD[AW-1:0];
      localparam logic [CW-1:0] ONE = 1;

      logic [AW-1:0] write_at, read_at;
      logic [CW-1:0] held;
      wire [AW-1:0] write_next = write_at == LAST ? '0 : write_at + 1'b1;
      wire [AW-1:0] read_next = read_at == LAST ? '0 : read_at + 1'b1;
      // What follows with a take in this cycle and without one; which it is comes late, and only chooses.
      wire [CW-1:0] held_taken = put ? held : held - ONE;
      wire [CW-1:0] held_kept = put ? held + ONE : held;
      wire filled = put && !PREFETCH;
      wire valid_taken = held > ONE || filled;
      wire valid_kept = held != '0 || filled;

      always_ff @(posedge clk) begin
        if (rst) begin
          write_at <= '0;
          read_at <= '0;
          held <= '0;
          valid <= 1'b0;
        end else begin
          if (put) write_at <= write_next;
          if (take) read_at <= read_next;
          held <= take ? held_taken : held_kept;
          valid <= take ? valid_taken : valid_kept;
        end
      end

`ifdef FORMAL
      wire [AW+CW:0] probe_sum = read_at + probe_at;
      wire [AW-1:0] probe_slot = probe_sum >= DEPTH ? probe_sum - DEPTH : probe_sum;
      wire [AW+CW:0] end_sum = read_at + held;
      assign probe_held = held;
      always @*
        if (!rst) begin
          assert (held <= DEPTH && write_at < DEPTH && read_at < DEPTH);
          assert (write_at == (end_sum >= DEPTH ? end_sum - DEPTH : end_sum));
          assert (PREFETCH ? (!valid || held != 0) : valid == (held != 0));
        end
`endif

      if (PREFETCH) begin : g_block
        fp_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH), .STYLE("block")) ram (
            .clk(clk), .we(put), .waddr(write_at), .wdata(put_data),
            .raddr(take ? read_next : read_at), .rdata(data)
`ifdef FORMAL
            , .probe_at(probe_slot), .probe_word(probe_word)
`endif
        );
      end else begin : g_distributed
        fp_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH), .STYLE("distributed")) ram (
            .clk(clk), .we(put), .waddr(write_at), .wdata(put_data), .raddr(read_at), .rdata(data)
`ifdef FORMAL
            , .probe_at(probe_slot), .probe_word(probe_word)
`endif
        );
      end

`ifdef FP_CHECKS
      localparam logic [CW-1:0] FULL = DEPTH[CW-1:0];
      always_ff @(posedge clk)
        if (!rst && put && held == FULL) $error("fp_fifo %m: put without a credit");
`endif
    end
  endgenerate
endmodule
