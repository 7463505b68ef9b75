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

}  // namespace fleet::proxy
