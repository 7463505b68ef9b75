// Every message between processes; a test holds this list to messages.hpp.
#pragma once

#include "wire/messages.hpp"

namespace fleet::wire::test {

// Calls f.template operator()<M>() for each message, in the order of their numbers.
template <class F>
void for_each_message(F&& f) {
  const auto call = [&f]<class... M>() { (f.template operator()<M>(), ...); };
  call.template operator()<ShimStatus, Launch, Stop, Dismiss, WorkerHello, Listeners, GiveListeners, Keys, KeysAck,
                           Table, Stats, TableAck, TargetDrained, StatsRequest, WorkerReady, Accept, Accepting,
                           DrainWorker, WorkerDrained, AccessLogs, Figures, GiveKeys, FetchJob, FetchProgress, FetchDone,
                           FetchFailed, FetchFile, FetchFileAnswer>();
}

}  // namespace fleet::wire::test
