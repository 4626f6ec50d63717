// AXI4 burst reader and writer as Vitis HLS functions: the commands and beats of fp_axi_reader and fp_axi_writer.
//
// A command is a byte address (from `memory` on) and a number of bytes. Beats are whole words of memory: `keep` marks
// the bytes of the command in its first and last one, `last` its last one. A command of no bytes has no beat. `sink`
// gets each beat, `source` gives the data of each beat, in order; both are inlined into the loop, so pass lambdas.
//
// Addresses of the loop follow each other, which makes bursts of it; the caller's m_axi pragma sets their length and how
// many are outstanding, and the interface that Vitis makes for it keeps them within 4 KiB. It has one ID and reorders
// nothing. There are no byte enables: a word that belongs to the command in part is read, changed and written, so
// nothing else may write the rest of it meanwhile. Errors of the bus are not seen.
#ifndef FP_AXI_MOVERS_H
#define FP_AXI_MOVERS_H

#include <ap_int.h>

template <int bits>
struct fp_beat {
    ap_uint<bits> data;
    ap_uint<bits / 8> keep;
    bool last;
};

// Bytes `first` .. `end` - 1 of a word.
template <int bytes>
ap_uint<bytes> fp_axi_keep(unsigned first, unsigned end) {
#pragma HLS INLINE
    const ap_uint<bytes> all = ~ap_uint<bytes>(0);
    const ap_uint<bytes> beyond = end == bytes ? ap_uint<bytes>(0) : ap_uint<bytes>(all << end);
    return ap_uint<bytes>(all << first) & ~beyond;
}

// The last of `left` bytes in a word in which byte `first` is the first one: the byte after it.
inline unsigned fp_axi_end(unsigned long long left, unsigned first, unsigned bytes) {
#pragma HLS INLINE
    return left < bytes - first ? unsigned(first + left) : bytes;
}

template <int bits, typename Sink>
void fp_axi_read(const ap_uint<bits> *memory, unsigned long long address, unsigned long long length, Sink sink) {
#pragma HLS INLINE
    const unsigned bytes = bits / 8;
    const unsigned long long start = address / bytes;
    const unsigned long long beats = length == 0 ? 0 : (address % bytes + length + bytes - 1) / bytes;
    unsigned first = address % bytes;
    unsigned long long left = length;
    beat: for (unsigned long long i = 0; i < beats; ++i) {
#pragma HLS PIPELINE II=1
        const unsigned end = fp_axi_end(left, first, bytes);
        fp_beat<bits> beat = {memory[start + i], fp_axi_keep<bits / 8>(first, end), i + 1 == beats};
        sink(beat);
        left -= end - first;
        first = 0;
    }
}

// A word of which only the bytes `first` .. `end` - 1 are new.
template <int bits>
void fp_axi_merge(ap_uint<bits> *word, const ap_uint<bits> &data, unsigned first, unsigned end) {
#pragma HLS INLINE off
    ap_uint<bits> merged = *word;
    merge: for (unsigned byte = 0; byte < bits / 8; ++byte) {
#pragma HLS UNROLL
        if (byte >= first && byte < end) {
            merged(8 * byte + 7, 8 * byte) = data(8 * byte + 7, 8 * byte);
        }
    }
    *word = merged;
}

template <int bits, typename Source>
void fp_axi_write(ap_uint<bits> *memory, unsigned long long address, unsigned long long length, Source source) {
#pragma HLS INLINE
    const unsigned bytes = bits / 8;
    unsigned long long at = address / bytes, left = length;
    const unsigned first = address % bytes;
    if (length != 0 && (first != 0 || length < bytes)) {
        const unsigned end = fp_axi_end(length, first, bytes);
        fp_axi_merge<bits>(&memory[at], source(), first, end);
        ++at;
        left -= end - first;
    }
    const unsigned long long whole = left / bytes;
    beat: for (unsigned long long i = 0; i < whole; ++i) {
#pragma HLS PIPELINE II=1
        memory[at + i] = source();
    }
    if (left % bytes != 0) {
        fp_axi_merge<bits>(&memory[at + whole], source(), 0, left % bytes);
    }
}

#endif
