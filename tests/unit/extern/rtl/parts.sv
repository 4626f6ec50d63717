// FIFOs of several depths and forms, two relays, two credit counters and three chains of DSP slices side by side; Python drives every cycle.
module parts (
    input  wire         clk,
    input  wire         rst,
    input  wire [15:0]  token,
    input  wire [7:0]   put,
    input  wire [7:0]   ready,
    output wire [7:0]   credit,
    output wire [7:0]   valid,
    output wire [127:0] data,
    input  wire [1:0]   relay_valid,
    input  wire [1:0]   relay_out_ready,
    output wire [1:0]   relay_ready,
    output wire [1:0]   relay_out_valid,
    output wire [31:0]  relay_data,
    input  wire [2:0]   take,
    input  wire [1:0]   back,
    input  wire         freed,
    output wire [3:0]   count,
    output wire         some,
    input  wire         take_one,
    input  wire [1:0]   back_some,
    input  wire         freed_one,
    output wire [2:0]   few,
    output wire         any_few,
    input  wire [215:0] cascade_a,
    input  wire [143:0] cascade_b,
    input  wire [47:0]  cascade_c,
    output wire [143:0] cascade_p
);
  localparam int DEPTHS[6] = '{1, 2, 3, 8, 2, 5};
  for (genvar i = 0; i < 6; i = i + 1) begin : g_fifo
    fp_fifo #(.WIDTH(16), .DEPTH(DEPTHS[i]), .LARGEST_LUTRAM(i < 4 ? 512 : 1)) fifo (
        .clk(clk), .rst(rst), .put(put[i]), .put_data(token), .credit(credit[i]), .valid(valid[i]),
        .data(data[16*i+:16]), .ready(ready[i]));
  end
  for (genvar i = 6; i < 8; i = i + 1) begin : g_wide
    fp_wide_fifo #(.WIDTH(16), .DEPTH(i - 1), .SLICE(6), .LARGEST_LUTRAM(i == 6 ? 512 : 1)) fifo (
        .clk(clk), .rst(rst), .put(put[i]), .put_data(token), .credit(credit[i]), .valid(valid[i]),
        .data(data[16*i+:16]), .ready(ready[i]));
  end
  for (genvar i = 0; i < 2; i = i + 1) begin : g_relay
    fp_relay #(.WIDTH(16), .HOPS(1 + 2 * i)) relay (
        .clk(clk), .rst(rst), .in_valid(relay_valid[i]), .in_data(token), .in_ready(relay_ready[i]),
        .out_valid(relay_out_valid[i]), .out_data(relay_data[16*i+:16]), .out_ready(relay_out_ready[i]));
  end
  fp_credit #(.INITIAL(7), .MAXIMUM(12), .TAKE_WIDTH(3), .BACK_WIDTH(2)) counter (
      .clk(clk), .rst(rst), .take(take), .back(back), .credit(freed), .count(count), .some(some));
  fp_credit #(.INITIAL(2), .MAXIMUM(5), .TAKE_WIDTH(1), .BACK_WIDTH(2)) single (
      .clk(clk), .rst(rst), .take(take_one), .back(back_some), .credit(freed_one), .count(few), .some(any_few));
  localparam int SLICES[3] = '{1, 3, 8};
  for (genvar i = 0; i < 3; i = i + 1) begin : g_cascade
    fp_dsp_cascade #(.SLICES(SLICES[i])) cascade (
        .clk(clk), .a(cascade_a[27*SLICES[i]-1:0]), .b(cascade_b[18*SLICES[i]-1:0]), .c(cascade_c),
        .p(cascade_p[48*i+:48]));
  end
endmodule
