// The bytes of a beat that belong to a command, from the first and the end byte (0: all), a register later.
module fp_axi_keep #(
    parameter int BYTES = 32,
    parameter int SW = $clog2(BYTES)
) (
    input  wire              clk,
    input  wire [SW-1:0]     first_byte,
    input  wire [SW-1:0]     end_byte,
    output logic [BYTES-1:0] keep
);
  wire [BYTES-1:0] from_first = {BYTES{1'b1}} << first_byte;
  wire [BYTES-1:0] from_end = end_byte == '0 ? '0 : {BYTES{1'b1}} << end_byte;
  always_ff @(posedge clk) keep <= from_first & ~from_end;
endmodule
