#include "outer.h"

// outer_product.py:34
static void outer_array(
    ap_int<32> lk,
    ap_int<32> ltiles,
    hls::stream<ap_uint<32>> &a,
    hls::stream<ap_uint<32>> &b,
    hls::stream<ap_uint<128>> finished[4]) {
    ap_int<32> acc[4][4];  // outer_product.py:34
#pragma HLS ARRAY_PARTITION variable=acc type=complete dim=0
    t: for (int t = 0; t < ltiles; ++t) {  // outer_product.py:35
        r: for (int r = 0; r < 4; ++r) {  // outer_product.py:36
#pragma HLS UNROLL
            j: for (int j = 0; j < 4; ++j) {
#pragma HLS UNROLL
                acc[r][j] = 0;  // outer_product.py:37
            }
        }
        step: for (int step = 0; step < lk; ++step) {  // outer_product.py:38
#pragma HLS PIPELINE II=1
            ap_uint<32> aw = a.read();  // outer_product.py:39
            ap_uint<32> bw = b.read();  // outer_product.py:40
            r_2: for (int r = 0; r < 4; ++r) {  // outer_product.py:41
#pragma HLS UNROLL
                j_2: for (int j = 0; j < 4; ++j) {
#pragma HLS UNROLL
                    ap_int<8> x = aw(r * 8 + 7, r * 8);  // outer_product.py:42
                    ap_int<8> y = bw(j * 8 + 7, j * 8);  // outer_product.py:43
                    ap_int<16> product = x * y;  // outer_product.py:44
#pragma HLS BIND_OP variable=product op=mul impl=dsp
                    acc[r][j] += product;  // outer_product.py:45
                }
            }
        }
        ap_int<32> out[4][4];  // outer_product.py:46
#pragma HLS ARRAY_PARTITION variable=out type=complete dim=0
        r_3: for (int r = 0; r < 4; ++r) {  // outer_product.py:47
#pragma HLS UNROLL
            j_3: for (int j = 0; j < 4; ++j) {
#pragma HLS UNROLL
                out[r][j] = acc[r][j];  // outer_product.py:48
            }
        }
        put_out: for (int row = 0; row < 4; ++row) {  // outer_product.py:49
#pragma HLS UNROLL
            ap_uint<128> word;
            for (int column = 0; column < 4; ++column) {
#pragma HLS UNROLL
                word(32 * column + 31, 32 * column) = out[row][column];
            }
            finished[row].write(word);
        }
    }
}

// outer_product.py:53
static void outer_drain(
    ap_int<32> ltiles,
    hls::stream<ap_uint<128>> finished[4],
    hls::stream<ap_uint<128>> &c) {
    t: for (int t = 0; t < ltiles; ++t) {  // outer_product.py:53
        ap_int<32> tile[4][4];  // outer_product.py:54
#pragma HLS ARRAY_PARTITION variable=tile type=complete dim=0
        get_tile: for (int row = 0; row < 4; ++row) {
#pragma HLS UNROLL
            ap_uint<128> word = finished[row].read();
            for (int column = 0; column < 4; ++column) {
#pragma HLS UNROLL
                tile[row][column] = word(32 * column + 31, 32 * column);
            }
        }
        i: for (int i = 0; i < 4; ++i) {  // outer_product.py:55
#pragma HLS PIPELINE II=1
            ap_uint<128> word = 0;  // outer_product.py:56
            j: for (int j = 0; j < 4; ++j) {  // outer_product.py:57
#pragma HLS UNROLL
                word(j * 32 + 31, j * 32) = tile[i][j];  // outer_product.py:58
            }
            c.write(word);  // outer_product.py:59
        }
    }
}

static void outer_run(
    ap_int<32> k,
    ap_int<32> tiles,
    hls::stream<ap_uint<32>> &a,
    hls::stream<ap_uint<32>> &b,
    hls::stream<ap_uint<128>> &c) {
#pragma HLS INLINE off
#pragma HLS DATAFLOW
    hls::stream<ap_uint<128>> finished[4];
#pragma HLS STREAM variable=finished depth=1
#pragma HLS ARRAY_PARTITION variable=finished type=complete dim=0
    DATAFLOW_STREAMS(finished, 1);

    DATAFLOW_PROCESS(array, outer_array(k, tiles, a, b, finished));
    DATAFLOW_PROCESS(drain, outer_drain(tiles, finished, c));
}

void outer(
    ap_int<32> k,
    ap_int<32> tiles,
    hls::stream<ap_uint<32>> &a,
    hls::stream<ap_uint<32>> &b,
    hls::stream<ap_uint<128>> &c) {
#pragma HLS INTERFACE mode=s_axilite port=k
#pragma HLS INTERFACE mode=s_axilite port=tiles
#pragma HLS INTERFACE mode=axis port=a
#pragma HLS INTERFACE mode=axis port=b
#pragma HLS INTERFACE mode=axis port=c
#pragma HLS INTERFACE mode=s_axilite port=return
    // With a scalar outside its limits nothing runs.
    if (k < 0 || tiles < 0) {
        return;
    }
    outer_run(k, tiles, a, b, c);
}
