// In place of CUDA's own header, for kernels that run in the grid of grid.h: what ours use of it.
#pragma once

#include <algorithm>
#include <cstring>
#include <source_location>

#include "grid.h"

#define __global__
#define __device__
#define __host__
#define __noinline__
#define __grid_constant__
#define __launch_bounds__(...)
// One for all blocks, because a block runs until it waits for the grid; nothing in it outlasts that.
#define __shared__ static

inline const emulated::Index3 &threadIdx = emulated::thread_index, &blockIdx = emulated::block_index,
                              &blockDim = emulated::block_size, &gridDim = emulated::grid_size;

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  emulated::wait_for(emulated::Meets::block, where);
}

template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int other,
                  std::source_location where = std::source_location::current()) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  if (mask != 0xffffffffu) emulated::fail("a shuffle of some lanes only");
  emulated::Fiber& own = *emulated::running;
  own.given = 0;
  std::memcpy(&own.given, &value, sizeof(T));
  own.source = own.thread % emulated::lanes ^ static_cast<unsigned int>(other);
  emulated::wait_for(emulated::Meets::warp, where);
  std::memcpy(&value, &own.taken, sizeof(T));
  return value;
}

struct dim3 {
  unsigned int x, y = 1, z = 1;
  dim3(unsigned int x = 1) : x(x) {}
};

enum cudaError_t { cudaSuccess = 0 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };
enum cudaLaunchAttributeID { cudaLaunchAttributeCooperative };
using cudaStream_t = void*;

struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    int cooperative;
  } val;
};

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned int numAttrs;
};

inline cudaError_t cudaGetDevice(int* gpu) {
  *gpu = 0;
  return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = static_cast<int>(emulated::most_blocks);
  return cudaSuccess;
}

template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, std::size_t) {
  *blocks = 1;
  return cudaSuccess;
}

template <typename... Given>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Given...), const Given&... given) {
  const bool are_together = config->numAttrs > 0 && config->attrs[0].val.cooperative != 0;
  emulated::run(config->gridDim.x, config->blockDim.x, are_together, [&] { kernel(given...); });
  return cudaSuccess;
}
