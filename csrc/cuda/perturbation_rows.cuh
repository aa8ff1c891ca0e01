// What the perturbation kernels are made of: how numbers are read, a row's limits, and its sum over a block of threads.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "perturbation.h"

namespace cotrain {
namespace {

constexpr int warp = 32;
constexpr int threads = 512;  // in a block; four blocks fill a multiprocessor

template <typename T>
struct Plain {
  using Raw = T;
  using Sum = T;
  static __device__ Sum load(Raw raw) { return raw; }
  static __device__ Raw store(Sum value) { return value; }
};

struct Half16 {
  using Raw = __half;
  using Sum = float;
  static __device__ Sum load(Raw raw) { return __half2float(raw); }
  static __device__ Raw store(Sum value) { return __float2half_rn(value); }
};

struct Brain16 {
  using Raw = __nv_bfloat16;
  using Sum = float;
  static __device__ Sum load(Raw raw) { return __bfloat162float(raw); }
  static __device__ Raw store(Sum value) { return __float2bfloat16_rn(value); }
};

// One value for all, or one per item.
template <typename Sum>
struct Limit {
  Sum one;
  const Sum* many;
  __device__ Limit(double number, const void* given)
      : one(static_cast<Sum>(number)), many(static_cast<const Sum*>(given)) {}
  __device__ Sum operator[](std::int64_t i) const { return many == nullptr ? one : many[i]; }
};

template <typename Sum>
struct Limits {
  Limit<Sum> epsilon, scale, lower, upper;
  __device__ explicit Limits(const Ball& ball)
      : epsilon(ball.epsilon, ball.epsilon_per_sample),
        scale(1.0, ball.scale_per_feature),
        lower(ball.lower, ball.lower_per_feature),
        upper(ball.upper, ball.upper_per_feature) {}
};

// The sum over the block, in every thread. All threads must come here.
__device__ double block_sum(double value) {
  __shared__ double parts[threads / warp];
  for (int other = warp / 2; other > 0; other /= 2) value += __shfl_xor_sync(0xffffffffu, value, other);
  __syncthreads();  // somebody may still be reading the parts of the sum before
  if (threadIdx.x % warp == 0) parts[threadIdx.x / warp] = value;
  __syncthreads();
  double sum = 0;
  for (int i = 0; i < threads / warp; ++i) sum += parts[i];
  return sum;
}

// One sample's part of each tensor, as one block sees it.
template <typename E>
struct Row {
  using Raw = typename E::Raw;
  using Sum = typename E::Sum;
  const Raw *perturbed, *clean, *gradient;
  Raw* out;
  __device__ Row(const Perturbation& step, std::int64_t i)
      : perturbed(static_cast<const Raw*>(step.perturbed) + i * step.n_features),
        clean(static_cast<const Raw*>(step.clean) + i * step.n_features),
        gradient(static_cast<const Raw*>(step.gradient) + i * step.n_features),
        out(static_cast<Raw*>(step.out) + i * step.n_features) {}
};

}  // namespace
}  // namespace cotrain
