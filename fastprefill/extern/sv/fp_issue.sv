// Issue of an iteration: when the body has its turn, and of every stream that it wants there is a token or room.
//
//   have   of each stream, whether there is
//   want   of each stream, whether the iteration takes from it
//   take   the iteration issues and takes
//
// From the first ALWAYS streams every iteration takes, whatever `want` says: their `want` costs no LUT input.
// A module of its own, so that what all streams wait for is mapped by itself: two LUTs deep with up to five streams, or
// with ten that are always wanted.
module fp_issue #(
    parameter int STREAMS = 2,
    parameter int ALWAYS = 0
) (
    input  wire               turn,
    input  wire [STREAMS-1:0] have,
    input  wire [STREAMS-1:0] want,
    output wire               issue,
    output wire [STREAMS-1:0] take
);
  wire [STREAMS-1:0] wanted = want | ~({STREAMS{1'b1}} << ALWAYS);
  assign issue = turn && &(have | ~wanted);
  assign take  = wanted & {STREAMS{issue}};
endmodule
