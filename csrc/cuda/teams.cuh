// Threads that work on one thing together: the largest of their numbers, and their sums, the same bits in each of them
// and every time.
//
// All threads of a warp (of a block, for BlockTeam) must come to each of these together, also those whose team has
// nothing to do: the shuffles name all lanes.
#pragma once

#include <cuda_runtime.h>

#include "cuda/warp.h"

namespace cotrain {

constexpr unsigned all_lanes = 0xffffffffu;

// `width` neighbouring lanes of a warp; a power of 2.
struct WarpTeam {
  int width, rank;

  __device__ explicit WarpTeam(int width) : width(width), rank(static_cast<int>(threadIdx.x) & (width - 1)) {}

  // A NaN is passed over: start from a number.
  template <typename T>
  __device__ T largest(T value) const {
    for (int other = width / 2; other > 0; other /= 2) {
      const T theirs = __shfl_xor_sync(all_lanes, value, other);
      value = theirs > value ? theirs : value;
    }
    return value;
  }

  template <typename T, int n>
  __device__ void sum(T (&values)[n]) const {
    for (int other = width / 2; other > 0; other /= 2) {
#pragma unroll
      for (int i = 0; i < n; ++i) values[i] += __shfl_xor_sync(all_lanes, values[i], other);
    }
  }
};

// All threads of a block of so many.
template <int threads>
struct BlockTeam {
  int rank;

  __device__ BlockTeam() : rank(static_cast<int>(threadIdx.x)) {}

  template <typename T>
  __device__ T largest(T value) const {
    __shared__ T parts[threads / warp];
    value = WarpTeam(warp).largest(value);
    __syncthreads();  // somebody may still be reading the parts of the time before
    if (rank % warp == 0) parts[rank / warp] = value;
    __syncthreads();
    value = parts[0];
    for (int i = 1; i < threads / warp; ++i) value = parts[i] > value ? parts[i] : value;
    return value;
  }

  template <typename T, int n>
  __device__ void sum(T (&values)[n]) const {
    __shared__ T parts[n][threads / warp];
    WarpTeam(warp).sum(values);
    __syncthreads();
    if (rank % warp == 0) {
#pragma unroll
      for (int i = 0; i < n; ++i) parts[i][rank / warp] = values[i];
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < n; ++i) {
      values[i] = 0;
      for (int part = 0; part < threads / warp; ++part) values[i] += parts[i][part];
    }
  }
};

// Either of them, by its width: one version of a kernel serves both.
template <int threads>
struct Team {
  int width, rank;

  __device__ explicit Team(int width) : width(width), rank(static_cast<int>(threadIdx.x) & (width - 1)) {}

  template <typename T>
  __device__ T largest(T value) const {
    return width == threads ? BlockTeam<threads>().largest(value) : WarpTeam(width).largest(value);
  }

  template <typename T, int n>
  __device__ void sum(T (&values)[n]) const {
    if (width == threads)
      BlockTeam<threads>().sum(values);
    else
      WarpTeam(width).sum(values);
  }
};

}  // namespace cotrain
