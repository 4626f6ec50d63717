// Streams for the concurrent C simulation: hls::stream with blocking ends and exactly the declared depth.
//
// Covers what generated code uses. A stream without a depth (a testbench's) is unbounded.
#ifndef FASTPREFILL_CSIM_HLS_STREAM_H
#define FASTPREFILL_CSIM_HLS_STREAM_H

#include <cstddef>
#include <deque>
#include <string>

#include "csim_fibre.h"

namespace hls {

template <typename T, int depth = 0>
class stream;

template <typename T>
class stream<T, 0> {
  public:
    stream() = default;
    explicit stream(const char *name) : name_(name) {}
    stream(const stream &) = delete;
    stream &operator=(const stream &) = delete;
    ~stream() {
        // A testbench's streams are its own affair.
        if (capacity_ != 0 && !tokens_.empty()) {
            csim::fail_unbalanced("stream " + name_, tokens_.size(), "token");
        }
    }

    void set_name(const char *name) { name_ = name; }
    void set_depth(std::size_t depth) { capacity_ = depth; }
    bool empty() const { return tokens_.empty(); }
    bool full() const { return capacity_ != 0 && tokens_.size() >= capacity_; }
    std::size_t size() const { return tokens_.size(); }

    T read() {
        while (tokens_.empty()) {
            csim::Scheduler::instance().wait(reader_, "waits to read " + name_ + " (empty)");
        }
        T token = tokens_.front();
        tokens_.pop_front();
        csim::Scheduler::instance().wake(writer_);
        return token;
    }
    void read(T &token) { token = read(); }

    void write(const T &token) {
        while (full()) {
            csim::Scheduler::instance().wait(
                writer_, "waits to write " + name_ + " (full, depth " + std::to_string(capacity_) + ")");
        }
        tokens_.push_back(token);
        csim::Scheduler::instance().wake(reader_);
    }

  protected:
    std::string name_ = "(unnamed)";
    std::size_t capacity_ = 0;  // 0: unbounded
    std::deque<T> tokens_;
    csim::Fibre *reader_ = nullptr;
    csim::Fibre *writer_ = nullptr;
};

template <typename T, int depth>
class stream : public stream<T, 0> {
  public:
    stream() { this->capacity_ = depth; }
    explicit stream(const char *name) : stream<T, 0>(name) { this->capacity_ = depth; }
};

}  // namespace hls

namespace csim {

// Name and depth of an array of streams, which have no constructor with arguments.
template <typename T>
void set_up(hls::stream<T> &stream, const std::string &name, std::size_t depth) {
    stream.set_name(name.c_str());
    stream.set_depth(depth);
}
template <typename Streams, std::size_t count>
void set_up(Streams (&streams)[count], const std::string &name, std::size_t depth) {
    for (std::size_t i = 0; i < count; ++i) {
        set_up(streams[i], name + "[" + std::to_string(i) + "]", depth);
    }
}

}  // namespace csim

#endif
