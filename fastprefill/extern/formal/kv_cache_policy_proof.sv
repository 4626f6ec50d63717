// The KV cache's bookkeeping: one decision of `decide` in kernels/kv_cache.py a cycle, with its look-ahead, transcribed
// statement by statement (a pass over the lines is a loop here), and what `store` then has in its lines.
//
// This is the policy, not the generated RTL, which takes many cycles for a decision; that both decide alike is compared
// in simulation (tests/contract, `kv_cache_8_4`). Shown, for any sequence of requests, any number of lines in use up to
// LINES and any hot tier:
//
// - no block is in two lines, and what is read from a line is the block that was asked for: nothing is lost or doubled;
// - lines that are taken less lines that were given back is the number of lines in use, 0 to `capacity`; hot ones are at
//   most `hot`;
// - a block is replaced only when no line is free, never one that is hot or was read ahead, and only by one that is used
//   again before it; every block that is kept, but for those read ahead, is used again (live), so no dead one is there;
// - a block that was read ahead is among the requests that come next, so it is used within AHEAD requests; reading ahead
//   ends after at most AHEAD blocks.
//
// Assumed of the requests: windows do not descend, and the next use of a block is in the window that its last use said
// (of one block, `x`, that the solver picks), a later one.
module kv_cache_policy_proof #(
    parameter int LINES = 3,
    parameter int AHEAD = 2,
    parameter int BLOCK_BITS = 2,
    parameter int WINDOW_BITS = 2
) (
    input wire clk,
    input wire rst,
    input wire [BLOCK_BITS-1:0] pick_block,    // taken in reset: the block that is followed,
    input wire [$clog2(LINES+1)-1:0] pick_capacity, // and the scalars
    input wire [$clog2(LINES+1)-1:0] pick_hot,
    input wire coming,                         // whether there is one more request
    input wire [BLOCK_BITS-1:0] coming_block,
    input wire [WINDOW_BITS-1:0] coming_window,
    input wire [WINDOW_BITS-1:0] coming_follows
);
  localparam int B = BLOCK_BITS, W = WINDOW_BITS, K = B + W, N = $clog2(LINES + 1);
  localparam logic [W-1:0] NEVER = '1;
  localparam logic [1:0] FREE = 0, HOT = 1, COLD = 2, READ = 3;

  logic [B-1:0] x;
  logic [N-1:0] capacity, hot;
  logic running = 0;

  // Requests: entry 0 is decided in this cycle, the others are looked ahead at.
  logic [AHEAD:0] valid;
  logic [(AHEAD+1)*B-1:0] block;
  logic [(AHEAD+1)*W-1:0] window;
  logic [(AHEAD+1)*W-1:0] follows;
  wire own = valid[0];
  wire [B-1:0] own_block = block[B-1:0];
  wire [W-1:0] own_window = window[W-1:0];
  wire [W-1:0] own_follows = follows[W-1:0];
  wire [K-1:0] key = {own_follows, own_block};

  // The lines, and the block that the store holds in each.
  logic [2*LINES-1:0] kind, next_kind;
  logic [B*LINES-1:0] tag, next_tag, content, next_content;
  logic [K*LINES-1:0] later, next_later;
  logic [N+2:0] used, next_used;

  // What is known of block x: whether it is used again, and when; the last window.
  logic x_live;
  logic [W-1:0] x_next;
  logic [W-1:0] now;

  logic found, has_free, has_last, uses, evicts, has_line, kept, more;
  logic [N-1:0] at, free_at, last_at, line, hots, taken, hot_lines, room;
  logic [1:0] was, tier;
  logic [K-1:0] last_key;
  logic [AHEAD-1:0] there;
  logic has_room;
  logic [B-1:0] wanted;
  logic again;  // whether there is something to read ahead after AHEAD blocks
  integer i, j, n;

  always @* begin
    found = 0; was = FREE; at = 0; has_free = 0; free_at = 0; has_last = 0; last_at = 0; last_key = 0; hots = 0;
    for (i = 0; i < LINES; i = i + 1)
      if (i < capacity) begin
        if (kind[2*i+:2] != FREE && tag[B*i+:B] == own_block) begin
          found = 1; at = i; was = kind[2*i+:2];
        end else if (kind[2*i+:2] == FREE) begin
          if (!has_free) begin has_free = 1; free_at = i; end
        end else if (kind[2*i+:2] == HOT) hots = hots + 1'b1;
        else if (kind[2*i+:2] == COLD && (!has_last || later[K*i+:K] > last_key)) begin
          has_last = 1; last_at = i; last_key = later[K*i+:K];
        end
      end
    uses = own_follows != NEVER;
    evicts = uses && !found && !has_free && has_last && last_key > key;
    has_line = found || has_free || evicts;
    line = found ? at : evicts ? last_at : free_at;
    kept = uses && has_line;
    tier = own_follows <= own_window + 1'b1 && own_window != NEVER && hots < hot ? HOT : COLD;

    next_kind = kind; next_tag = tag; next_later = later; next_content = content; next_used = used;
    for (i = 0; i < LINES; i = i + 1)
      if (own && kept && line == i) begin
        next_tag[B*i+:B] = own_block;
        next_later[K*i+:K] = key;
        next_kind[2*i+:2] = tier;
        if (!found) next_content[B*i+:B] = own_block;
      end else if (own && !kept && found && at == i) next_kind[2*i+:2] = FREE;
    if (own && kept && !found && !evicts) next_used = next_used + 1'b1;
    if (own && !kept && found) next_used = next_used - 1'b1;

    again = 0;
    for (n = 0; n <= AHEAD; n = n + 1) begin
      there = 0; has_room = 0; room = 0;
      for (i = 0; i < LINES; i = i + 1)
        if (i < capacity) begin
          if (next_kind[2*i+:2] == FREE) begin
            if (!has_room) begin has_room = 1; room = i; end
          end else
            for (j = 0; j < AHEAD; j = j + 1)
              if (next_tag[B*i+:B] == block[B*(j+1)+:B]) there[j] = 1;
        end
      more = 0; wanted = 0;
      for (j = 0; j < AHEAD; j = j + 1)
        if (own && has_room && !more && !there[j] && valid[j+1]) begin
          more = 1; wanted = block[B*(j+1)+:B];
        end
      if (n == AHEAD) again = more;
      else if (more) begin
        for (i = 0; i < LINES; i = i + 1)
          if (room == i) begin
            next_tag[B*i+:B] = wanted;
            next_kind[2*i+:2] = READ;
            next_content[B*i+:B] = wanted;
          end
        next_used = next_used + 1'b1;
      end
    end

    taken = 0; hot_lines = 0;
    for (i = 0; i < LINES; i = i + 1) begin
      if (kind[2*i+:2] != FREE) taken = taken + 1'b1;
      if (kind[2*i+:2] == HOT) hot_lines = hot_lines + 1'b1;
    end
  end

  always @(posedge clk) begin
    if (rst) begin
      running <= 1;
      x <= pick_block;
      capacity <= pick_capacity;
      hot <= pick_hot;
      valid <= 0;
      kind <= 0;
      used <= 0;
      x_live <= 0;
      now <= 0;
    end else begin
      valid <= {coming, valid[AHEAD:1]};
      block <= {coming_block, block[(AHEAD+1)*B-1:B]};
      window <= {coming_window, window[(AHEAD+1)*W-1:W]};
      follows <= {coming_follows, follows[(AHEAD+1)*W-1:W]};
      kind <= next_kind;
      tag <= next_tag;
      later <= next_later;
      content <= next_content;
      used <= next_used;
      if (own) begin
        now <= own_window;
        if (own_block == x) begin
          x_live <= uses;
          x_next <= own_follows;
        end
      end
    end
  end

  integer p, q, r;
  logic listed;
  always @* begin
    assume (running || rst);
    assume (pick_capacity <= LINES && pick_hot <= pick_capacity);
    if (!rst) begin
      assert (capacity <= LINES && hot <= capacity);
    end
    if (!rst) begin
      if (own) begin
        assume (own_window >= now && own_window != NEVER);
        assume (own_follows > own_window);
        assume (!(x_live && own_window > x_next));
        if (own_block == x && x_live) assume (own_window == x_next);
      end

      assert (used == taken);
      assert (hot_lines <= hot);
      assert (!again);
      for (p = 0; p < LINES; p = p + 1) begin
        if (p >= capacity) assert (kind[2*p+:2] == FREE);
        if (kind[2*p+:2] != FREE) begin
          assert (content[B*p+:B] == tag[B*p+:B]);
          for (q = 0; q < LINES; q = q + 1)
            if (q != p && kind[2*q+:2] != FREE) assert (tag[B*q+:B] != tag[B*p+:B]);
        end
        if (kind[2*p+:2] == HOT || kind[2*p+:2] == COLD) begin
          assert (later[K*p+:K] == {later[K*p+B+:W], tag[B*p+:B]});
          assert (later[K*p+B+:W] != NEVER);
          if (tag[B*p+:B] == x) assert (x_live && later[K*p+B+:W] == x_next);
        end
        if (kind[2*p+:2] == READ) begin
          listed = 0;
          for (r = 0; r <= AHEAD; r = r + 1) if (valid[r] && block[B*r+:B] == tag[B*p+:B]) listed = 1;
          assert (listed);
        end
        if (own && evicts) assert (p >= capacity || kind[2*p+:2] != FREE);
        if (own && evicts && last_at == p) begin
          assert (kind[2*p+:2] == COLD && later[K*p+:K] > key);
          if (tag[B*p+:B] == x) assert (x_live && x_next >= own_follows);
        end
      end
    end
  end
endmodule
