// A hand-written unit with the ports that every generated unit has: `count` running sums of `x` from `bias` on.
module addup (
    input  wire        clk,
    input  wire        rst,
    input  wire        start,
    output wire        idle,
    output logic       done,
    input  wire [15:0] count,
    input  wire [31:0] bias,
    input  wire        x_valid,
    input  wire [15:0] x_data,
    output wire        x_ready,
    output wire        y_valid,
    output wire [31:0] y_data,
    input  wire        y_ready
);
  logic running;
  logic [15:0] left;
  logic [31:0] sum;
  logic put;
  wire [2:0] slots;
  wire credit;

  assign idle = !running;
  wire accepted = start && !running;
  assign x_ready = running && left != 0 && slots != 0;
  wire issue = x_valid && x_ready;

  always_ff @(posedge clk) begin
    done <= !rst && running && left == 0;
    put <= !rst && issue;
    if (rst) running <= 1'b0;
    else if (accepted) running <= 1'b1;
    else if (left == 0) running <= 1'b0;
    if (accepted) begin
      left <= count;
      sum <= bias;
    end else if (issue) begin
      left <= left - 1'b1;
      sum <= sum + {16'h0, x_data};
    end
  end

  fp_credit #(.INITIAL(5), .MAXIMUM(5)) space (
      .clk(clk), .rst(rst), .take(issue), .back(1'b0), .credit(credit), .count(slots), .some());
  fp_fifo #(.WIDTH(32), .DEPTH(5)) out (
      .clk(clk), .rst(rst), .put(put), .put_data(sum), .credit(credit),
      .valid(y_valid), .data(y_data), .ready(y_ready));
endmodule
