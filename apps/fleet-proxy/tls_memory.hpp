// Memory for OpenSSL, which allocates some hundred times in a handshake, and for each record: by size, without a header
// and a lock, for one thread.
#pragma once

namespace fleet::proxy {

// Before anything else of OpenSSL is called, and in a program that calls it from one thread only.
void give_openssl_memory();

}  // namespace fleet::proxy
