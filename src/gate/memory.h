// The bound of the gate's memory, drawn where memory is given out: in malloc() itself. The engine
// survives a large allocation that fails (the statement ends with an error), but not every small
// one (a thread that cannot even build the error takes the process along). So large ones are
// refused while there still is room for small ones, and those of operator new only from 1 MiB.
// Without guard_memory() malloc() is the C library's.
#pragma once

#include <cstdint>

namespace minato::gate {

/// From now on, and with more than `limit` bytes in use, allocations of 128 KiB and more fail; with
/// 256 MiB more in use, those of 16 KiB and more. What is in use is counted, not sampled; the
/// engine's data is part of it. To be called before the engine is opened.
void guard_memory(std::uint64_t limit);

/// Whether this program has the guard (builds with sanitizers have an allocator of their own).
bool memory_guarded();

/// Bytes given out by malloc() and its kin.
std::uint64_t memory_in_use();

/// How many allocations were refused.
std::uint64_t memory_refusals();

/// Whether so much could still be mapped: what nobody counts has bounds too (RLIMIT_AS).
bool address_space_left(std::uint64_t bytes);

/// The calling thread is never refused: for the one that serves all sessions.
void exempt_thread_from_memory_guard();

}  // namespace minato::gate
