#include "mpu.h"

// kernels/mpu.py:30
static void mpu_array(
    ap_int<32> lk,
    ap_int<32> ltiles,
    hls::stream<ap_uint<32>> &a,
    hls::stream<ap_uint<32>> &b,
    hls::stream<ap_uint<128>> finished[4]) {
    ap_int<32> acc[4][4];  // mpu.py:30
#pragma HLS ARRAY_PARTITION variable=acc type=complete dim=0
    t: for (int t = 0; t < ltiles; ++t) {  // mpu.py:31
        r: for (int r = 0; r < 4; ++r) {  // mpu.py:32
#pragma HLS UNROLL
            j: for (int j = 0; j < 4; ++j) {
#pragma HLS UNROLL
                acc[r][j] = 0;  // mpu.py:33
            }
        }
        step: for (int step = 0; step < lk; ++step) {  // mpu.py:34
#pragma HLS PIPELINE II=1
            ap_uint<32> aw = a.read();  // mpu.py:35
            ap_uint<32> bw = b.read();  // mpu.py:36
            r_2: for (int r = 0; r < 4; ++r) {  // mpu.py:37
#pragma HLS UNROLL
                j_2: for (int j = 0; j < 4; ++j) {
#pragma HLS UNROLL
                    ap_int<8> x = aw(r * 8 + 7, r * 8);  // mpu.py:38
                    ap_int<8> y = bw(j * 8 + 7, j * 8);  // mpu.py:39
                    ap_int<16> product = x * y;  // mpu.py:40
#pragma HLS BIND_OP variable=product op=mul impl=dsp
                    acc[r][j] += product;  // mpu.py:41
                }
            }
        }
        ap_int<32> out[4][4];  // mpu.py:42
#pragma HLS ARRAY_PARTITION variable=out type=complete dim=0
        r_3: for (int r = 0; r < 4; ++r) {  // mpu.py:43
#pragma HLS UNROLL
            j_3: for (int j = 0; j < 4; ++j) {
#pragma HLS UNROLL
                out[r][j] = acc[r][j];  // mpu.py:44
            }
        }
        put_out: for (int row = 0; row < 4; ++row) {  // mpu.py:45
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

// kernels/mpu.py:49
static void mpu_drain(ap_int<32> ltiles, hls::stream<ap_uint<128>> finished[4], hls::stream<ap_uint<128>> &c) {
    t: for (int t = 0; t < ltiles; ++t) {  // mpu.py:49
        ap_int<32> tile[4][4];  // mpu.py:50
#pragma HLS ARRAY_PARTITION variable=tile type=complete dim=0
        get_tile: for (int row = 0; row < 4; ++row) {
#pragma HLS UNROLL
            ap_uint<128> word = finished[row].read();
            for (int column = 0; column < 4; ++column) {
#pragma HLS UNROLL
                tile[row][column] = word(32 * column + 31, 32 * column);
            }
        }
        i: for (int i = 0; i < 4; ++i) {  // mpu.py:51
#pragma HLS PIPELINE II=1
            ap_uint<128> word = 0;  // mpu.py:52
            j: for (int j = 0; j < 4; ++j) {  // mpu.py:53
#pragma HLS UNROLL
                word(j * 32 + 31, j * 32) = tile[i][j];  // mpu.py:54
            }
            c.write(word);  // mpu.py:55
        }
    }
}

static void mpu_run(
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

    DATAFLOW_PROCESS(array, mpu_array(k, tiles, a, b, finished));
    DATAFLOW_PROCESS(drain, mpu_drain(tiles, finished, c));
}

void mpu(
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
    mpu_run(k, tiles, a, b, c);
}
