// Stands in for XRT's C++ headers: what the host program uses of them, on the C simulation (STANDIN_HOST names host/).
#ifndef STANDIN_XRT_H
#define STANDIN_XRT_H

#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "design.h"

enum ert_cmd_state { ERT_CMD_STATE_NEW = 1, ERT_CMD_STATE_COMPLETED = 4 };
enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE, XCL_BO_SYNC_BO_FROM_DEVICE };

namespace standin {

inline void require(bool holds, const char *what) {
    if (!holds) {
        throw std::runtime_error(what);
    }
}

struct Buffer {
    std::vector<unsigned char> host, device;
};
using Value = std::variant<uint32_t, uint64_t, std::shared_ptr<Buffer>>;
using Arguments = std::map<int, Value>;

// Nothing runs before unit and movers have all been started.
struct Card {
    std::map<std::string, Arguments> started;

    void start(const std::string &name, const Arguments &arguments) {
        require(started.emplace(name, arguments).second, "started twice");
        if (started.size() == design::stream_count + 1) {
            run();
            started.clear();
        }
    }

    void run() {
        std::vector<uint64_t> scalars;
        for (unsigned i = 0; i < design::scalar_count; ++i) {
            const Value &value = started.at(design::unit).at(int(i));
            scalars.push_back(std::holds_alternative<uint64_t>(value) ? std::get<uint64_t>(value) : std::get<uint32_t>(value));
        }
        std::vector<unsigned char *> memory;
        std::vector<uint32_t> tokens;
        for (const design::Stream &stream : design::streams) {
            const Arguments &given = started.at(stream.mover);
            memory.push_back(std::get<std::shared_ptr<Buffer>>(given.at(0))->device.data());
            tokens.push_back(std::get<uint32_t>(given.at(1)));
        }
        using Start = int (*)(const uint64_t *, unsigned char *const *, const uint32_t *, char *, unsigned);
        void *library = dlopen((std::string(std::getenv("STANDIN_HOST")) + "/build/libcsim.so").c_str(), RTLD_NOW);
        require(library != nullptr, "no libcsim.so");
        char problem[256] = "";
        const int status = reinterpret_cast<Start>(dlsym(library, "csim_start"))(
            scalars.data(), memory.data(), tokens.data(), problem, sizeof problem);
        require(status == 0, problem);
    }
};

}  // namespace standin

namespace xrt {

struct uuid {};

class device {
  public:
    explicit device(unsigned) : card(std::make_shared<standin::Card>()) {}
    uuid load_xclbin(const std::string &) { return {}; }
    std::shared_ptr<standin::Card> card;
};

class kernel {
  public:
    kernel() = default;
    kernel(const device &on, const uuid &, const std::string &called) : card(on.card), name(called) {}
    int group_id(int argument) const {
        standin::require(argument == 0 && name != design::unit, "only argument 0 of a mover is memory");
        return 7;
    }
    std::shared_ptr<standin::Card> card;
    std::string name;
};

class bo {
  public:
    bo(const device &, std::size_t size, int group) : buffer(std::make_shared<standin::Buffer>()) {
        standin::require(group == 7 && size > 0, "a buffer of no bytes, or in no bank");
        buffer->host.resize(size);
        buffer->device.assign(size, 0xee);
    }
    void write(const void *from, std::size_t size, std::size_t at) {
        if (size != 0) {
            std::memcpy(buffer->host.data() + at, from, size);
        }
    }
    void read(void *to, std::size_t size, std::size_t at) {
        if (size != 0) {
            std::memcpy(to, buffer->host.data() + at, size);
        }
    }
    void sync(xclBOSyncDirection direction) {
        (direction == XCL_BO_SYNC_BO_TO_DEVICE ? buffer->device : buffer->host) =
            direction == XCL_BO_SYNC_BO_TO_DEVICE ? buffer->host : buffer->device;
    }
    std::shared_ptr<standin::Buffer> buffer;
};

class run {
  public:
    explicit run(const kernel &of) : kernel_(of) {}
    void set_arg(int index, const bo &value) { arguments_[index] = value.buffer; }
    void set_arg(int index, uint32_t value) { arguments_[index] = value; }
    void set_arg(int index, uint64_t value) { arguments_[index] = value; }
    void start() { kernel_.card->start(kernel_.name, arguments_); }
    ert_cmd_state wait(const std::chrono::milliseconds &) {
        return kernel_.card->started.count(kernel_.name) ? ERT_CMD_STATE_NEW : ERT_CMD_STATE_COMPLETED;
    }

  private:
    kernel kernel_;
    standin::Arguments arguments_;
};

}  // namespace xrt

#endif
