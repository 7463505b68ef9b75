// Who is connected: how many connections each address has, and whose idle ones go when there is no room for more (T).
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "core/cidr.hpp"
#include "io/readiness.hpp"

namespace fleet::proxy {

class Guests {
 public:
  // A network of IPv6 is one guest: whoever has one address of a /64 has them all.
  std::uint32_t connections_of(const IpAddress& ip) const;

  // One connection of a guest, from construction to destruction.
  class Place {
   public:
    Place(Guests& guests, const IpAddress& ip);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    std::uint32_t of_same_guest() const { return entry_->second; }

   private:
    using Entry = std::map<IpAddress, std::uint32_t>::iterator;
    Guests& guests_;
    Entry entry_;
  };

 private:
  std::map<IpAddress, std::uint32_t> counts_;
};

// An idle connection, as a candidate for leaving.
struct Idler {
  std::size_t index = 0;  // the caller's
  std::uint32_t of_same_guest = 1;
  Clock::time_point since{};
};

// Keeps the `count` that are to leave: of the guests with the most connections, the longest idle first.
void choose_leavers(std::vector<Idler>& idlers, std::size_t count);

}  // namespace fleet::proxy
