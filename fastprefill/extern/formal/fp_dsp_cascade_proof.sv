// fp_dsp_cascade: p is c plus all products, each with its own delay, whatever the products are.
//
// The multipliers are cut out: a product may be any number, the same here and in the part.
module fp_dsp_cascade_proof #(
    parameter int SLICES = 8
) (
    input wire clk,
    input wire [27*SLICES-1:0] a,
    input wire [18*SLICES-1:0] b,
    input wire [47:0] c
);
  localparam int AGE = SLICES + 3;

  wire [47:0] p;
  fp_dsp_cascade #(.SLICES(SLICES)) dut (.clk(clk), .a(a), .b(b), .c(c), .p(p));

  logic [3:0] age = 0;  // cycles that the registers have seen
  always_ff @(posedge clk) if (age != AGE) age <= age + 1'b1;

  // The products, of operands one cycle later for each slice in front, and the start value, when they meet in p.
  wire [48*SLICES-1:0] products;
  for (genvar i = 0; i < SLICES; i++) begin : slices
    logic [26:0] a_reg;
    logic [17:0] b_reg;
    logic [48*(SLICES-i+1)-1:0] late;
    always_ff @(posedge clk) begin
      a_reg <= a[27*i+:27];
      b_reg <= b[18*i+:18];
      late <= {late, {{21{a_reg[26]}}, a_reg} * {{30{b_reg[17]}}, b_reg}};
    end
    assign products[48*i+:48] = late[48*(SLICES-i)+:48];
  end
  logic [48*(SLICES+1)-1:0] starts;
  always_ff @(posedge clk) starts <= {starts, c};

  logic [47:0] total;
  always @* begin
    total = starts[48*SLICES+:48];
    for (int i = 0; i < SLICES; i = i + 1) total = total + products[48*i+:48];
    if (age == AGE) assert (p == total);
  end
endmodule
