// Stands in for a card where the host program was built without its driver.
#include "device.h"

std::unique_ptr<Device> open_card(const std::string &) {
    throw Error("this program was built without the card's driver: build it again with `make card` where that is installed");
}
