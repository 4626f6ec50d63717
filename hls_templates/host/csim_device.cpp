// The C simulation as a device: libcsim.so, which the Makefile builds from csim_unit.cpp.
#include <dlfcn.h>

#include "device.h"

namespace {

using Start = int (*)(const uint64_t *, unsigned char *const *, const uint32_t *, char *, unsigned);

class Csim : public Device {
  public:
    explicit Csim(const std::string &library) {
        void *opened = dlopen(library.c_str(), RTLD_NOW);
        if (opened == nullptr) {
            throw Error(std::string(dlerror()) + ": run `make csim` in host/");
        }
        start_ = reinterpret_cast<Start>(dlsym(opened, "csim_start"));
        if (start_ == nullptr) {
            throw Error(library + " has no function csim_start: run `make clean csim` in host/");
        }
    }

    void start(
        const std::vector<uint64_t> &scalars,
        std::vector<std::vector<uint8_t>> &memory,
        const std::vector<uint32_t> &tokens) override {
        std::vector<unsigned char *> buffers;
        for (auto &buffer : memory) {
            buffers.push_back(buffer.data());
        }
        char problem[256] = "";
        if (start_(scalars.data(), buffers.data(), tokens.data(), problem, sizeof problem) != 0) {
            throw Error(problem);
        }
    }

  private:
    Start start_;
};

}  // namespace

std::unique_ptr<Device> open_csim(const std::string &library) { return std::make_unique<Csim>(library); }
