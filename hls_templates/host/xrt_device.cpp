// A card behind XRT (native C++ API). NOT RUN where this was generated: there is no XRT and no card there.
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include <chrono>

#include "design.h"
#include "device.h"

namespace {

class Card : public Device {
  public:
    explicit Card(const std::string &bitstream) : card_(0) {
        const xrt::uuid uuid = card_.load_xclbin(bitstream);
        unit_ = xrt::kernel(card_, uuid, design::unit);
        for (const design::Stream &stream : design::streams) {
            movers_.emplace_back(card_, uuid, stream.mover);
        }
    }

    void start(
        const std::vector<uint64_t> &scalars,
        std::vector<std::vector<uint8_t>> &memory,
        const std::vector<uint32_t> &tokens) override {
        std::vector<xrt::bo> buffers;
        std::vector<xrt::run> runs;
        for (unsigned i = 0; i < design::stream_count; ++i) {
            buffers.emplace_back(card_, memory[i].size() + 1, movers_[i].group_id(0));  // a buffer has at least a byte
            if (design::streams[i].input) {
                buffers[i].write(memory[i].data(), memory[i].size(), 0);
                buffers[i].sync(XCL_BO_SYNC_BO_TO_DEVICE);
            }
            runs.emplace_back(movers_[i]);
            runs[i].set_arg(0, buffers[i]);
            runs[i].set_arg(1, tokens[i]);
        }
        xrt::run unit(unit_);
        for (unsigned i = 0; i < design::scalar_count; ++i) {
            if (design::scalars[i].bits > 32) {
                unit.set_arg(i, scalars[i]);
            } else {
                unit.set_arg(i, static_cast<uint32_t>(scalars[i]));
            }
        }
        unit.start();
        for (xrt::run &run : runs) {
            run.start();
        }
        await(unit, design::unit);
        for (unsigned i = 0; i < design::stream_count; ++i) {
            await(runs[i], design::streams[i].mover);
            if (!design::streams[i].input) {
                buffers[i].sync(XCL_BO_SYNC_BO_FROM_DEVICE);
                buffers[i].read(memory[i].data(), memory[i].size(), 0);
            }
        }
    }

  private:
    static void await(xrt::run &run, const char *name) {
        if (run.wait(std::chrono::milliseconds(design::timeout_ms)) != ERT_CMD_STATE_COMPLETED) {
            throw Error(std::string(name) + " did not end within a minute: reset the card with `xbutil reset`");
        }
    }

    xrt::device card_;
    xrt::kernel unit_;
    std::vector<xrt::kernel> movers_;
};

}  // namespace

std::unique_ptr<Device> open_card(const std::string &bitstream) { return std::make_unique<Card>(bitstream); }
