// One DSP48E2 slice of UltraScale+: p = a * b + (FIRST ? c : pcin), signed, modulo 2**48.
//
// Registers: A and B, C, M and P. `a` and `b` of cycle t meet `c` of cycle t + 1, or the P register of the slice before
// (its `pcout`) of cycle t + 2, and are in `p` from cycle t + 3.
//
// Synthesis gets the primitive (UG579); simulation gets the model below, in the same words.
module fp_dsp48e2 #(
    parameter bit FIRST = 1'b1
) (
    input  wire        clk,
    input  wire [26:0] a,
    input  wire [17:0] b,
    input  wire [47:0] c,
    input  wire [47:0] pcin,
    output wire [47:0] p,
    output wire [47:0] pcout
);
`ifdef SYNTHESIS
  DSP48E2 #(
      .AMULTSEL("A"), .BMULTSEL("B"), .A_INPUT("DIRECT"), .B_INPUT("DIRECT"), .USE_MULT("MULTIPLY"),
      .AREG(1), .ACASCREG(1), .BREG(1), .BCASCREG(1), .CREG(FIRST ? 1 : 0), .MREG(1), .PREG(1),
      .ADREG(0), .DREG(0), .ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(0)
  ) slice (
      // The multiplier takes A[26:0]; the bits above it are grounded (UG974), so that a sign bit drives one pin.
      .CLK(clk), .A({3'b000, a}), .B(b), .C(FIRST ? c : 48'h0), .D(27'h0), .CARRYIN(1'b0), .PCIN(pcin),
      // W = 0, Z = C or PCIN, Y and X = the product; ALU adds.
      .OPMODE(FIRST ? 9'b00_011_01_01 : 9'b00_001_01_01), .ALUMODE(4'b0000), .INMODE(5'b00000),
      .CARRYINSEL(3'b000), .ACIN(30'h0), .BCIN(18'h0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
      .CEA1(1'b0), .CEA2(1'b1), .CEB1(1'b0), .CEB2(1'b1), .CEC(1'b1), .CEM(1'b1), .CEP(1'b1),
      .CEAD(1'b0), .CED(1'b0), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
      .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0), .RSTALLCARRYIN(1'b0),
      .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
      .P(p), .PCOUT(pcout), .ACOUT(), .BCOUT(), .CARRYCASCOUT(), .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(),
      .PATTERNBDETECT(), .PATTERNDETECT(), .UNDERFLOW(), .XOROUT()
  );
`else
  logic [26:0] a_reg;
  logic [17:0] b_reg;
  logic [47:0] c_reg, m_reg, p_reg;

  always_ff @(posedge clk) begin
    a_reg <= a;
    b_reg <= b;
    c_reg <= FIRST ? c : 48'h0;
    m_reg <= {{21{a_reg[26]}}, a_reg} * {{30{b_reg[17]}}, b_reg};
    p_reg <= m_reg + (FIRST ? c_reg : pcin);
  end

  assign p = p_reg;
  assign pcout = p_reg;
`endif
endmodule
