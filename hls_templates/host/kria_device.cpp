// A Zynq UltraScale+ board: registers through /dev/mem, buffers from u-dma-buf. NOT RUN where this was generated.
//
// Needs root, the bitstream as bootgen writes it (<unit>.bit.bin) and the kernel module u-dma-buf with a buffer that
// holds all streams, such as `insmod u-dma-buf.ko udmabuf0=67108864`. The clock is the one that boot left on pl_clk0;
// at most that of the design is right. `run.py`, through PYNQ, sets the clock and needs no module.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "design.h"
#include "device.h"

namespace {

constexpr std::size_t register_bytes = 0x10000;
constexpr unsigned start_bit = 1, done_bit = 2;

void write_text(const std::string &path, const std::string &text) {
    std::ofstream file(path);
    file << text;
    file.close();
    if (!file) {
        throw Error("cannot write to " + path + ": run as root");
    }
}

std::string read_text(const std::string &path) {
    std::ifstream file(path);
    std::string text;
    if (!(file >> text)) {
        throw Error("cannot read " + path + ": is the module u-dma-buf loaded?");
    }
    return text;
}

// The kernel's FPGA manager takes a file from /lib/firmware.
void load(const std::string &bitstream) {
    const std::string name = std::string("fastprefill_") + design::unit + ".bit.bin";
    std::ifstream from(bitstream, std::ios::binary);
    std::ofstream to("/lib/firmware/" + name, std::ios::binary);
    to << from.rdbuf();
    to.close();
    if (!from || !to) {
        throw Error("cannot copy " + bitstream + " to /lib/firmware: is it built, and are you root?");
    }
    write_text("/sys/class/fpga_manager/fpga0/flags", "0");
    write_text("/sys/class/fpga_manager/fpga0/firmware", name);
}

class Mapped {
  public:
    Mapped(const char *path, uint64_t address, std::size_t size) {
        const int file = open(path, O_RDWR | O_SYNC);
        void *found = file < 0 ? MAP_FAILED : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, address);
        if (file >= 0) {
            close(file);
        }
        if (found == MAP_FAILED) {
            throw Error(std::string("cannot map ") + path + ": run as root");
        }
        data = static_cast<volatile uint8_t *>(found);
    }
    void write(unsigned offset, uint32_t value) { *reinterpret_cast<volatile uint32_t *>(data + offset) = value; }
    void write_long(unsigned offset, uint64_t value) {
        write(offset, static_cast<uint32_t>(value));
        write(offset + 4, static_cast<uint32_t>(value >> 32));
    }
    uint32_t read(unsigned offset) { return *reinterpret_cast<volatile uint32_t *>(data + offset); }

    volatile uint8_t *data;
};

class Board : public Device {
  public:
    explicit Board(const std::string &bitstream)
        : room_(std::stoull(read_text("/sys/class/u-dma-buf/udmabuf0/size"))),
          physical_(std::stoull(read_text("/sys/class/u-dma-buf/udmabuf0/phys_addr"), nullptr, 16)),
          buffer_("/dev/udmabuf0", 0, room_) {
        load(bitstream);
        unit_ = std::make_unique<Mapped>("/dev/mem", design::address, register_bytes);
        for (const design::Stream &stream : design::streams) {
            movers_.push_back(std::make_unique<Mapped>("/dev/mem", stream.address, register_bytes));
        }
    }

    void start(
        const std::vector<uint64_t> &scalars,
        std::vector<std::vector<uint8_t>> &memory,
        const std::vector<uint32_t> &tokens) override {
        std::vector<std::size_t> places;
        std::size_t end = 0;
        for (const auto &part : memory) {
            places.push_back(end);
            end += (part.size() + 4095) / 4096 * 4096;
        }
        if (end > room_) {
            throw Error("/dev/udmabuf0 has " + std::to_string(room_) + " bytes; " + std::to_string(end) + " are needed");
        }
        for (unsigned i = 0; i < design::stream_count; ++i) {
            if (design::streams[i].input) {
                std::memcpy(const_cast<uint8_t *>(buffer_.data) + places[i], memory[i].data(), memory[i].size());
            }
            movers_[i]->write_long(design::memory_register, physical_ + places[i]);
            movers_[i]->write(design::tokens_register, tokens[i]);
        }
        for (unsigned i = 0; i < design::scalar_count; ++i) {
            const design::Scalar &scalar = design::scalars[i];
            if (scalar.bits > 32) {
                unit_->write_long(scalar.offset, scalars[i]);
            } else {
                unit_->write(scalar.offset, static_cast<uint32_t>(scalars[i]));
            }
        }
        unit_->write(0, start_bit);
        for (auto &mover : movers_) {
            mover->write(0, start_bit);
        }
        await(*unit_, design::unit);
        for (unsigned i = 0; i < design::stream_count; ++i) {
            await(*movers_[i], design::streams[i].mover);
            if (!design::streams[i].input) {
                std::memcpy(memory[i].data(), const_cast<uint8_t *>(buffer_.data) + places[i], memory[i].size());
            }
        }
    }

  private:
    static void await(Mapped &registers, const char *name) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(design::timeout_ms);
        while ((registers.read(0) & done_bit) == 0) {
            if (std::chrono::steady_clock::now() > end) {
                throw Error(std::string(name) + " did not end within a minute");
            }
        }
    }

    std::size_t room_;
    uint64_t physical_;
    Mapped buffer_;
    std::unique_ptr<Mapped> unit_;
    std::vector<std::unique_ptr<Mapped>> movers_;
};

}  // namespace

std::unique_ptr<Device> open_card(const std::string &bitstream) { return std::make_unique<Board>(bitstream); }
