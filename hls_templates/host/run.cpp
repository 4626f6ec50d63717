// Sends golden vectors through the unit and compares what comes back.
//
//     run [--device csim|card] [--bitstream FILE] [case folder ...]
//
// The default is the C simulation and every case in ../vectors. Exit status: 0 all outputs as expected, 1 one differs,
// 2 it could not run.
#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "design.h"
#include "device.h"

namespace {

struct Case {
    std::vector<uint64_t> scalars;
    std::vector<std::vector<uint8_t>> memory;  // what is sent, and what is expected
    std::vector<uint32_t> tokens;
};

std::string text_of(const std::string &path) {
    std::ifstream file(path);
    if (!file) {
        throw Error("cannot read " + path);
    }
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The integer behind "name" in the object "scalars" of case.json. Also one outside the limits of the unit is sent: then
// the unit does nothing and says so in first_error, and the case expects no output.
uint64_t scalar_of(const std::string &json, const design::Scalar &scalar) {
    const std::size_t object = json.find("\"scalars\"");
    const std::size_t end = object == std::string::npos ? object : json.find('}', object);
    const std::size_t key =
        object == std::string::npos ? object : json.find("\"" + std::string(scalar.name) + "\"", object);
    if (key == std::string::npos || key > end) {
        throw Error(std::string("case.json has no scalar ") + scalar.name);
    }
    const std::size_t digits = json.find_first_of("-0123456789", json.find(':', key));
    const std::string number = json.substr(digits, json.find_first_not_of("-0123456789", digits) - digits);
    return number[0] == '-' ? uint64_t(std::stoll(number)) : std::stoull(number);
}

int digit(char c, const std::string &path) {
    const std::size_t value = std::string("0123456789abcdef").find(c);
    if (value == std::string::npos) {
        throw Error(path + " holds something else than hexadecimal tokens");
    }
    return int(value);
}

// Tokens as they lie in memory, and their number.
std::vector<uint8_t> tokens_of(const std::string &path, unsigned stride, uint32_t &count) {
    std::ifstream file(path);
    if (!file) {
        throw Error("cannot read " + path);
    }
    std::vector<uint8_t> bytes;
    count = 0;
    for (std::string line; file >> line; ++count) {
        const std::size_t start = bytes.size();
        bytes.resize(start + stride);
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::size_t place = start + i / 2;
            if (i / 2 >= stride) {
                throw Error(path + " has a token that is too long");
            }
            bytes[place] |= uint8_t(digit(line[line.size() - 1 - i], path) << (4 * (i % 2)));
        }
    }
    return bytes;
}

Case read_case(const std::string &folder) {
    Case found;
    const std::string json = text_of(folder + "/case.json");
    for (unsigned i = 0; i < design::scalar_count; ++i) {
        found.scalars.push_back(scalar_of(json, design::scalars[i]));
    }
    for (const design::Stream &stream : design::streams) {
        uint32_t count = 0;
        found.memory.push_back(tokens_of(folder + "/" + stream.name + ".hex", stream.stride, count));
        found.tokens.push_back(count);
    }
    return found;
}

// One start; prints a line for each output and returns whether all are as expected.
bool run(Device &device, const std::string &folder) {
    const Case given = read_case(folder);
    std::vector<std::vector<uint8_t>> memory = given.memory;
    for (unsigned i = 0; i < design::stream_count; ++i) {
        if (!design::streams[i].input) {
            std::fill(memory[i].begin(), memory[i].end(), uint8_t(0xa5));  // so that what was never written shows
        }
    }
    device.start(given.scalars, memory, given.tokens);
    bool same = true;
    for (unsigned i = 0; i < design::stream_count; ++i) {
        const design::Stream &stream = design::streams[i];
        if (stream.input) {
            continue;
        }
        const auto place = std::mismatch(memory[i].begin(), memory[i].end(), given.memory[i].begin());
        if (place.first == memory[i].end()) {
            std::printf("%s: %s: %u tokens as expected\n", folder.c_str(), stream.name, given.tokens[i]);
        } else {
            const std::size_t at = std::size_t(place.first - memory[i].begin());
            std::printf("%s: %s differs first in token %zu, byte %zu: expected 0x%02x, got 0x%02x\n", folder.c_str(),
                stream.name, at / stream.stride, at % stream.stride, *place.second, *place.first);
            same = false;
        }
    }
    return same;
}

std::vector<std::string> all_cases(const std::string &vectors) {
    std::vector<std::string> found;
    if (DIR *folder = opendir(vectors.c_str())) {
        while (const dirent *entry = readdir(folder)) {
            if (entry->d_name[0] != '.') {
                found.push_back(vectors + "/" + entry->d_name);
            }
        }
        closedir(folder);
    }
    if (found.empty()) {
        throw Error("there are no cases in " + vectors + ": name a case folder");
    }
    std::sort(found.begin(), found.end());
    return found;
}

int run_all(int argc, char **argv) {
    std::string device = "csim", bitstream = design::bitstream;
    std::vector<std::string> cases;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if ((word == "--device" || word == "--bitstream") && i + 1 < argc) {
            (word == "--device" ? device : bitstream) = argv[++i];
        } else if (word[0] == '-') {
            throw Error("unknown option " + word + "; there are --device csim|card and --bitstream FILE");
        } else {
            cases.push_back(word);
        }
    }
    if (device != "csim" && device != "card") {
        throw Error("--device " + device + ": there are csim and card");
    }
    if (cases.empty()) {
        cases = all_cases("../vectors");
    }
    const std::unique_ptr<Device> opened = device == "csim" ? open_csim("build/libcsim.so") : open_card(bitstream);
    bool same = true;
    for (const std::string &folder : cases) {
        same &= run(*opened, folder);
    }
    std::printf("%s on %s: %s\n", design::unit, device.c_str(), same ? "equal to the golden vectors" : "DIFFERENT");
    return same ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
    try {
        return run_all(argc, argv);
    } catch (const std::exception &error) {
        std::fflush(stdout);
        std::fprintf(stderr, "run: %s\n", error.what());
        return 2;
    }
}
