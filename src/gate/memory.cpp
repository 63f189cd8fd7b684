#include "gate/memory.h"

#include <dlfcn.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "base/check.h"

namespace {

std::atomic<bool> guarded = false;
std::atomic<std::int64_t> in_use = 0;
std::atomic<std::int64_t> limit_bytes = 0;
std::atomic<std::uint64_t> refusals = 0;
std::atomic<bool> engine_has_blocks = false;  // of its own allocator

thread_local bool exempt = false;

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define MINATO_MEMORY_GUARD

namespace {

constexpr std::size_t kLarge = 128UL << 10;      // the engine's blocks of data
constexpr std::size_t kLargeObject = 1UL << 20;  // by operator new
// Refused last: buffers of PostgreSQL connections are of that size; without them nobody can log in.
constexpr std::size_t kMedium = 16UL << 10;
constexpr std::size_t kHuge = 1UL << 46;  // beyond any address space
constexpr std::int64_t kReserve = 256L << 20;
constexpr std::int64_t kBatch = 64L << 10;  // a thread tells what it took in steps of this

thread_local std::int64_t untold = 0;

void count(std::int64_t bytes) {
  untold += bytes;
  if (untold < kBatch && untold > -kBatch) return;
  in_use.fetch_add(untold, std::memory_order_relaxed);
  untold = 0;
}

bool refuse(std::size_t size) {
  if (size < kMedium || exempt) return false;
  const bool large = size >= kLarge;
  const std::int64_t wanted = large ? static_cast<std::int64_t>(std::min(size, kHuge)) : 0;
  const std::int64_t allowed = limit_bytes.load(std::memory_order_relaxed) + (large ? 0 : kReserve);
  if (in_use.load(std::memory_order_relaxed) + wanted <= allowed) return false;
  refusals.fetch_add(1, std::memory_order_relaxed);
  errno = ENOMEM;
  return true;
}

bool on() { return guarded.load(std::memory_order_relaxed); }

void* counted(void* block) {
  if (block != nullptr) count(static_cast<std::int64_t>(::malloc_usable_size(block)));
  return block;
}

template <typename Function>
Function* engine_function(const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  CHECK(found != nullptr);
  return reinterpret_cast<Function*>(found);
}

}  // namespace

// The C library's own, under the names that it keeps for programs that put something in front.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp)
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);
// NOLINTEND(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp)

void* malloc(std::size_t size) noexcept {
  if (!on()) return __libc_malloc(size);
  return refuse(size) ? nullptr : counted(__libc_malloc(size));
}

void* calloc(std::size_t number, std::size_t size) noexcept {
  if (!on()) return __libc_calloc(number, size);
  std::size_t total = 0;
  if (__builtin_mul_overflow(number, size, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  return refuse(total) ? nullptr : counted(__libc_calloc(number, size));
}

void* realloc(void* block, std::size_t size) noexcept {
  if (!on()) return __libc_realloc(block, size);
  const std::size_t before = block == nullptr ? 0 : ::malloc_usable_size(block);
  if (size > before && refuse(size)) return nullptr;
  void* moved = __libc_realloc(block, size);
  if (moved != nullptr || size == 0) count(-static_cast<std::int64_t>(before));
  return counted(moved);
}

void free(void* block) noexcept {
  if (on() && block != nullptr) count(-static_cast<std::int64_t>(::malloc_usable_size(block)));
  __libc_free(block);
}

void* memalign(std::size_t alignment, std::size_t size) noexcept {
  if (!on()) return __libc_memalign(alignment, size);
  return refuse(size) ? nullptr : counted(__libc_memalign(alignment, size));
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t size) noexcept {
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void* block = memalign(alignment, size);
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}

// The engine's data comes from an allocator inside its library (jemalloc, under these names; the
// library asks for them like for any function of another one, so a program's own come first). It
// took all address space uncounted and never gave any back: threads for which nothing was left for
// small allocations then took the process along.
void* duckdb_je_malloc(std::size_t size) noexcept {
  if (on()) return malloc(size);
  engine_has_blocks.store(true, std::memory_order_relaxed);
  static const auto own = engine_function<void*(std::size_t)>("duckdb_je_malloc");
  return own(size);
}

void* duckdb_je_realloc(void* block, std::size_t size) noexcept {
  if (on()) return realloc(block, size);
  static const auto own = engine_function<void*(void*, std::size_t)>("duckdb_je_realloc");
  return own(block, size);
}

void duckdb_je_free(void* block) noexcept {
  if (on()) return free(block);
  static const auto own = engine_function<void(void*)>("duckdb_je_free");
  own(block);
}
}

// Objects and the arrays of containers: a failure in the middle of the engine's bookkeeping is what
// it survives least. Its buffers for data come from malloc().
void* operator new(std::size_t size) {
  for (;;) {
    void* block = nullptr;
    if (!on()) {
      block = __libc_malloc(size);
    } else if (size < kLargeObject || !refuse(size)) {
      block = counted(__libc_malloc(size));
    }
    if (block != nullptr) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void operator delete(void* block) noexcept { free(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { free(block); }

#endif

namespace minato::gate {

bool memory_guarded() {
#ifdef MINATO_MEMORY_GUARD
  return true;
#else
  return false;
#endif
}

void guard_memory(std::uint64_t limit) {
  CHECK(!engine_has_blocks.load());  // they would be freed by the wrong allocator
  // An allocation of each thread may be between on() and its count: some bytes more or less.
  const auto before = ::mallinfo2();
  in_use.store(static_cast<std::int64_t>(before.uordblks + before.hblkhd));
  limit_bytes.store(static_cast<std::int64_t>(limit));
  guarded.store(memory_guarded());
}

std::uint64_t memory_in_use() {
  const std::int64_t bytes = in_use.load(std::memory_order_relaxed);
  return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

std::uint64_t memory_refusals() { return refusals.load(std::memory_order_relaxed); }

bool address_space_left(std::uint64_t bytes) {
  void* const block = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return false;
  ::munmap(block, bytes);
  return true;
}

void exempt_thread_from_memory_guard() { exempt = true; }

}  // namespace minato::gate
