// Memory for OpenSSL, which allocates some hundred times in a handshake, and for each record: by size, without a header
// and a lock, for one thread.
#pragma once

#include <cstddef>

namespace fleet::proxy {

// Before anything else of OpenSSL is called, and in a program that calls it from one thread only.
void give_openssl_memory();

// What it then uses. As malloc, realloc and free, but that nothing of size 0 is null.
void* take_memory(std::size_t size);
void* change_memory(void* piece, std::size_t size);
void give_memory(void* piece);

// Gives the kernel back what was not used since the last call. To be called now and then: what connections that come and
// go need is not to be given back and asked for again with each.
void trim_memory();

}  // namespace fleet::proxy
