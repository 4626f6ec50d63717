// Where a unit can run: the C simulation, or a card. The program in run.cpp does not see the difference.
#ifndef DEVICE_H
#define DEVICE_H

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Device {
  public:
    virtual ~Device() = default;
    // One start. `scalars`, `memory` and `tokens` are in the order of design.h; memory of inputs is read, that of
    // outputs is written. Throws Error.
    virtual void start(
        const std::vector<uint64_t> &scalars,
        std::vector<std::vector<uint8_t>> &memory,
        const std::vector<uint32_t> &tokens) = 0;
};

std::unique_ptr<Device> open_csim(const std::string &library);
std::unique_ptr<Device> open_card(const std::string &bitstream);

#endif
