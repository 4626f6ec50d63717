// Issue of an iteration: when the body has its turn, and of every stream that it wants there is a token or room.
//
//   have   of each stream, whether there is
//   want   of each stream, whether the iteration takes from it
//   take   the iteration issues and takes
//
// A module of its own, so that what all streams wait for is mapped by itself: two LUTs deep with up to five streams.
module fp_issue #(
    parameter int STREAMS = 2
) (
    input  wire               turn,
    input  wire [STREAMS-1:0] have,
    input  wire [STREAMS-1:0] want,
    output wire               issue,
    output wire [STREAMS-1:0] take
);
  assign issue = turn && &(have | ~want);
  assign take  = want & {STREAMS{issue}};
endmodule
