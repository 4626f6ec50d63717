// fp_credit: the counter equals what was given minus what was taken, and stays within 0 .. MAXIMUM;
// `some` says whether it is above 0.
//
// Assumed: no more is taken than is there, no more is given back than is out. `out` counts the credits that are out.
module fp_credit_proof #(
    parameter int MAXIMUM = 5,
    parameter int TAKE_WIDTH = 2,
    parameter int BACK_WIDTH = 1
) (
    input wire clk,
    input wire rst,
    input wire [TAKE_WIDTH-1:0] take,
    input wire [BACK_WIDTH-1:0] back,
    input wire credit
);
  localparam int CW = $clog2(MAXIMUM + 1);

  wire [CW-1:0] count;
  wire some;
  logic running = 0;
  logic [CW+1:0] out;

  fp_credit #(.INITIAL(MAXIMUM), .MAXIMUM(MAXIMUM), .TAKE_WIDTH(TAKE_WIDTH), .BACK_WIDTH(BACK_WIDTH)) dut (
      .clk(clk), .rst(rst), .take(take), .back(back), .credit(credit), .count(count), .some(some));

  always @(posedge clk) begin
    if (rst) begin
      running <= 1;
      out <= 0;
    end else out <= out + take - back - credit;

  end

  always @* begin
    assume (running || rst);
    if (!rst) begin
      assume (take <= count);
      assume (back + credit <= out);
      assert (count + out == MAXIMUM);
      assert (count <= MAXIMUM);
      assert (some == (count != 0));
    end
  end
endmodule
