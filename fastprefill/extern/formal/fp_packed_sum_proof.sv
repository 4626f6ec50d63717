// Packed int8 products: the two fields of the sum of PRODUCTS of them are the two sums. It holds for up to fifteen.
//
// x = a1 * 2**19 + (a0 + 128) with int8 a1 and a0 is multiplied by int8 b, and the sum of the products starts at
// 2**18 - 128 * (sum of b). Shown: bits 47 to 19 are the sum of a1 * b and bits 18 to 0 are 2**18 + the sum of a0 * b,
// for any products. A product is added in each cycle, so this holds by induction over the slices; `rest` is the sum of
// the b still to come, which the start value is made for. Of a single product, assumed is what
// tests/unit/extern/test_packing.py shows for every a1, a0 and b:
//   x * b = 2**19 * high + low + 128 * b, with low = a0 * b in -16256 .. 16384.
module fp_packed_sum_proof #(
    parameter int PRODUCTS = 8
) (
    input wire clk,
    input wire rst,
    input wire signed [11:0] all,  // the sum of every b
    input wire signed [15:0] high,
    input wire signed [15:0] low,
    input wire signed [7:0] b
);
  localparam logic signed [47:0] MIDDLE = 48'sh40000;

  logic running = 0;
  logic [4:0] slice;
  logic signed [47:0] total, highs, lows, rest;

  // The same numbers with as many bits as the sum.
  wire signed [47:0] all_wide = {{36{all[11]}}, all};
  wire signed [47:0] high_wide = {{32{high[15]}}, high};
  wire signed [47:0] low_wide = {{32{low[15]}}, low};
  wire signed [47:0] b_wide = {{40{b[7]}}, b};
  wire signed [47:0] added = {43'h0, slice};

  always @(posedge clk) begin
    if (rst) begin
      running <= 1;
      slice <= 0;
      total <= MIDDLE - (all_wide <<< 7);
      highs <= 0;
      lows <= 0;
      rest <= all_wide;
    end else if (slice != PRODUCTS) begin
      slice <= slice + 1'b1;
      total <= total + ((high_wide <<< 19) + low_wide + (b_wide <<< 7));
      highs <= highs + high_wide;
      lows <= lows + low_wide;
      rest <= rest - b_wide;
    end
  end

  always @* begin
    assume (running || rst);
    assume (high >= -16256 && high <= 16384);
    assume (low >= -16256 && low <= 16384);
    if (!rst) begin
      assert (slice <= PRODUCTS);
      assert (highs >= -(added <<< 14) && highs <= (added <<< 14));
      assert (lows >= -(added <<< 14) && lows <= (added <<< 14));
      assert (total == (highs <<< 19) + MIDDLE + lows - (rest <<< 7));
      if (slice == PRODUCTS && rest == 0) begin
        assert ($signed(total[47:19]) == highs);
        assert ({29'h0, total[18:0]} == MIDDLE + lows);
      end
    end
  end
endmodule
