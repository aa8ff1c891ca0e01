// What each operator computes, element by element: the one place for the mathematics, shared by host and device code.
//
// T is the type that sums are kept in: float for half, bfloat16 and float inputs, double for double.
// Nothing here knows of tensors, strides, threads or instruction sets.
#pragma once

#if defined(__CUDACC__)
#define COTRAIN_HD __host__ __device__ inline
#else
#define COTRAIN_HD inline
#endif

namespace cotrain {

// -1, 0 or 1. NaN gives 0, as torch.sign does: an unknown slope moves nothing.
template <typename T>
COTRAIN_HD T sign(T value) {
  return (value > T(0) ? T(1) : T(0)) - (value < T(0) ? T(1) : T(0));
}

// max(value, floor) and min(value, ceiling), where a NaN on either side stays NaN (torch.maximum, torch.minimum).
// Two plain selections, because a loop over `&&` does not become vector instructions.
template <typename T>
COTRAIN_HD T at_least(T value, T floor) {
  const T larger = value < floor ? floor : value;
  return floor == floor ? larger : floor;
}

template <typename T>
COTRAIN_HD T at_most(T value, T ceiling) {
  const T smaller = value > ceiling ? ceiling : value;
  return ceiling == ceiling ? smaller : ceiling;
}

// One signed step up the gradient, back into the box of half-width epsilon around `clean`, then into
// [lower, upper] (Madry et al. 2018, arXiv 1706.06083, with the L-infinity ball).
template <typename T>
COTRAIN_HD T linf_step(T perturbed, T clean, T gradient, T step_size, T epsilon, T lower, T upper) {
  const T moved = perturbed + step_size * sign(gradient);
  const T in_ball = at_most(at_least(moved, clean - epsilon), clean + epsilon);
  return at_most(at_least(in_ball, lower), upper);
}

}  // namespace cotrain
