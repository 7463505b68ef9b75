// Messages between processes: what is accepted is read back the same. The first byte chooses the message.
#include "wire/all_messages.hpp"
#include "wire/codec.hpp"

#include "input.hpp"

using namespace fleet;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const auto chosen = input.byte();
  wire::test::for_each_message([&]<class M>() {
    if (M::kType != chosen) return;
    const auto message = wire::decode<M>(input.rest());
    if (!message) return;
    const auto again = wire::decode<M>(wire::encode(*message));
    require(again && *again == *message, "what is written is read back the same");
  });
}
