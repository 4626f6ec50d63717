// Block streams for the concurrent C simulation: a ring of `depth` arrays with in-place access at both ends.
#ifndef FASTPREFILL_CSIM_HLS_STREAMOFBLOCKS_H
#define FASTPREFILL_CSIM_HLS_STREAMOFBLOCKS_H

#include <cstddef>
#include <memory>
#include <string>

#include "csim_fibre.h"

namespace hls {

// As in the vendor's library, functions and locks take a stream_of_blocks<T>, of which other depths are derived.
template <typename T, int depth = 2>
class stream_of_blocks;

template <typename T>
class stream_of_blocks<T, 2> {
  public:
    explicit stream_of_blocks(std::size_t depth = 2) : depth_(depth), blocks_(new Block[depth]) {}
    stream_of_blocks(const stream_of_blocks &) = delete;
    stream_of_blocks &operator=(const stream_of_blocks &) = delete;
    ~stream_of_blocks() {
        if (written_ != read_) {
            csim::fail_unbalanced("block stream " + name_, written_ - read_, "block");
        }
    }

    void set_name(const char *name) { name_ = name; }

    T &acquire_write() {
        while (written_ - read_ >= depth_) {
            csim::Scheduler::instance().wait(
                writer_, "waits for a free block of " + name_ + " (full, depth " + std::to_string(depth_) + ")");
        }
        return blocks_[written_ % depth_].elements;
    }
    void release_write() {
        ++written_;
        csim::Scheduler::instance().wake(reader_);
    }
    T &acquire_read() {
        while (written_ == read_) {
            csim::Scheduler::instance().wait(reader_, "waits for a block of " + name_ + " (empty)");
        }
        return blocks_[read_ % depth_].elements;
    }
    void release_read() {
        ++read_;
        csim::Scheduler::instance().wake(writer_);
    }

  private:
    struct Block {
        T elements;
    };
    std::string name_ = "(unnamed)";
    std::size_t depth_;
    std::unique_ptr<Block[]> blocks_;
    std::size_t written_ = 0;
    std::size_t read_ = 0;  // a block counts as read when it is released: until then it is not free
    csim::Fibre *reader_ = nullptr;
    csim::Fibre *writer_ = nullptr;
};

template <typename T, int depth>
class stream_of_blocks : public stream_of_blocks<T, 2> {
  public:
    stream_of_blocks() : stream_of_blocks<T, 2>(depth) {}
};

// The block that is being written, from its declaration to the end of the scope.
template <typename T>
class write_lock {
  public:
    explicit write_lock(stream_of_blocks<T> &stream) : stream_(stream), elements_(stream.acquire_write()) {}
    write_lock(const write_lock &) = delete;
    write_lock &operator=(const write_lock &) = delete;
    ~write_lock() { stream_.release_write(); }
    operator T &() { return elements_; }

  private:
    stream_of_blocks<T> &stream_;
    T &elements_;
};

// The oldest full block, from its declaration to the end of the scope.
template <typename T>
class read_lock {
  public:
    explicit read_lock(stream_of_blocks<T> &stream) : stream_(stream), elements_(stream.acquire_read()) {}
    read_lock(const read_lock &) = delete;
    read_lock &operator=(const read_lock &) = delete;
    ~read_lock() { stream_.release_read(); }
    operator T &() { return elements_; }

  private:
    stream_of_blocks<T> &stream_;
    T &elements_;
};

}  // namespace hls

#endif
