// A CUDA grid on one thread of the processor, so that tests can run kernels where there is no GPU.
//
// Every CUDA thread is a fiber, which runs until it has to wait for others: of its warp, its block, its grid. Threads
// and blocks are resumed in an order that a seed decides. A thread that waits for others who wait elsewhere, or have
// ended, stops the process with a sentence; so does a warp whose lanes meet at two different shuffles. Races between
// threads are not found: one runs at a time.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <source_location>
#include <vector>

namespace emulated {

struct Index3 {
  unsigned int x = 1, y = 1, z = 1;
};

inline Index3 thread_index, block_index, block_size, grid_size;  // of the thread that runs
inline unsigned int most_blocks = 3;                             // that a grid may hold at once
inline unsigned int seed = 0;

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulated grid: %s (block %u, thread %u)\n", what, block_index.x, thread_index.x);
  std::abort();
}

enum class Meets { nobody, warp, block, grid };

constexpr unsigned int lanes = 32;
constexpr std::size_t stack_bytes = 256 * 1024;

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack{new char[stack_bytes]};
  unsigned int thread = 0;
  bool has_ended = false;
  Meets waits_for = Meets::nobody;
  std::source_location where;
  std::uint64_t given = 0, taken = 0;  // in a shuffle
  unsigned int source = 0;             // the lane that it takes from
};

struct Block {
  unsigned int number = 0;
  std::vector<Fiber> fibers;
};

inline ucontext_t scheduler;
inline Fiber* running = nullptr;
inline const std::function<void()>* body = nullptr;

inline void run_body() {
  (*body)();
  running->has_ended = true;
  swapcontext(&running->context, &scheduler);
}

inline void wait_for(Meets others, std::source_location where = std::source_location::current()) {
  running->waits_for = others;
  running->where = where;
  swapcontext(&running->context, &scheduler);
}

inline void resume(const Block& block, Fiber& fiber) {
  running = &fiber;
  thread_index.x = fiber.thread;
  block_index.x = block.number;
  swapcontext(&scheduler, &fiber.context);
}

inline Block block_of(unsigned int number, unsigned int threads) {
  Block block;
  block.number = number;
  block.fibers = std::vector<Fiber>(threads);
  for (unsigned int thread = 0; thread < threads; ++thread) {
    Fiber& fiber = block.fibers[thread];
    fiber.thread = thread;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = stack_bytes;
    makecontext(&fiber.context, run_body, 0);
  }
  return block;
}

// Lets the fibers [begin, end) go on, if all of them wait for the same.
inline bool release(Block& block, std::size_t begin, std::size_t end, Meets others) {
  for (std::size_t i = begin; i < end; ++i) {
    if (block.fibers[i].has_ended || block.fibers[i].waits_for != others) return false;
  }
  for (std::size_t i = begin; i < end; ++i) {
    Fiber& fiber = block.fibers[i];
    if (fiber.where.line() != block.fibers[begin].where.line()) fail("threads meet in two different places");
    if (others == Meets::warp) fiber.taken = block.fibers[begin + fiber.source].given;
    fiber.waits_for = Meets::nobody;
  }
  return true;
}

// Runs a block until all its fibers have ended (false), or wait for the grid (true).
inline bool run_until_grid(Block& block, std::mt19937& random) {
  std::vector<std::size_t> order(block.fibers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  for (;;) {
    bool has_moved = false;
    for (const std::size_t i : order) {
      Fiber& fiber = block.fibers[i];
      if (fiber.has_ended || fiber.waits_for != Meets::nobody) continue;
      resume(block, fiber);
      has_moved = true;
    }
    for (std::size_t i = 0; i < block.fibers.size(); i += lanes) {
      has_moved = release(block, i, i + lanes, Meets::warp) || has_moved;
    }
    has_moved = release(block, 0, block.fibers.size(), Meets::block) || has_moved;
    if (has_moved) continue;
    std::size_t n_ended = 0, n_at_grid = 0;
    for (const Fiber& fiber : block.fibers) {
      n_ended += fiber.has_ended;
      n_at_grid += fiber.waits_for == Meets::grid;
    }
    if (n_ended == block.fibers.size()) return false;
    if (n_at_grid == block.fibers.size()) return true;
    fail("threads wait for others who will not come");
  }
}

// Runs `kernel` once for every thread; all blocks at once where they wait for one another.
inline void run(unsigned int blocks, unsigned int threads, bool are_together, const std::function<void()>& kernel) {
  if (threads % lanes != 0) fail("a block that is not made of whole warps");
  if (blocks == 0 || (are_together && blocks > most_blocks)) fail("more blocks than the grid holds, or none");
  std::mt19937 random(seed);
  std::vector<unsigned int> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  body = &kernel;
  grid_size.x = blocks;
  block_size.x = threads;
  if (!are_together) {
    for (const unsigned int number : order) {
      Block block = block_of(number, threads);
      if (run_until_grid(block, random)) fail("a grid that waits for itself was not launched as one");
    }
    return;
  }
  std::vector<Block> grid;
  for (const unsigned int number : order) grid.push_back(block_of(number, threads));
  for (std::size_t n_waiting = blocks; n_waiting > 0;) {
    n_waiting = 0;
    for (Block& block : grid) n_waiting += run_until_grid(block, random);
    if (n_waiting != 0 && n_waiting != blocks) fail("blocks wait for others who have ended");
    for (Block& block : grid) {
      if (n_waiting > 0) release(block, 0, block.fibers.size(), Meets::grid);
    }
  }
}

}  // namespace emulated
