// What the perturbation kernels are made of: a row's limits, and its sum over a block of threads.
#pragma once

#include <cstdint>

#include "cuda/elements.cuh"
#include "cuda/teams.cuh"
#include "perturbation.h"

namespace cotrain {
namespace {

constexpr int threads = 512;  // in a block; four blocks fill a multiprocessor

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
  double sum[1] = {value};
  BlockTeam<threads>().sum(sum);
  return sum[0];
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
