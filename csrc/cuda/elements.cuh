// How each number type is read from a GPU's memory, computed with, and written back.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace cotrain {

template <typename T>
struct Plain {
  using Raw = T;  // as it lies in memory
  using Sum = T;  // as it is computed with
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

}  // namespace cotrain
