// A function that host and device code share. On the CPU always part of the loop that calls it, or the loop does not
// become vector instructions.
#pragma once

#if defined(__CUDACC__)
#define COTRAIN_HD __host__ __device__ inline
#elif defined(_MSC_VER)
#define COTRAIN_HD __forceinline
#else
#define COTRAIN_HD inline __attribute__((always_inline))
#endif
