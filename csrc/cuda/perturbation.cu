// The perturbation operators on CUDA: on the caller's stream, without waiting for it, so a CUDA graph can hold them.
//
// linf goes element by element. Under l2 and l1 one block of threads works on one row at a time: it sums the row, then
// changes it. Sums are added in an order that the row's length alone decides: the same bits every time.

#include <algorithm>
#include <cstdint>

#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/on_device.h"
#include "cuda/perturbation_rows.cuh"
#include "l1_ball.h"
#include "perturbation_formulas.h"

namespace cotrain {
namespace {

constexpr int per_thread = 4;  // elements that a thread of linf reads before it writes: enough reads under way
constexpr std::int64_t most_blocks = 65536;  // beyond, blocks take several rows or chunks

template <typename E>
__global__ void __launch_bounds__(threads) linf_kernel(Perturbation step) {
  using Sum = typename E::Sum;
  const Limits<Sum> limits(step);
  const Sum size = static_cast<Sum>(step.step_size);
  const std::int64_t chunk = static_cast<std::int64_t>(threads) * per_thread;
  const std::int64_t chunks = (step.n_features + chunk - 1) / chunk;
  for (std::int64_t piece = blockIdx.x; piece < step.n_samples * chunks; piece += gridDim.x) {
    const std::int64_t i = piece / chunks;
    const std::int64_t first = (piece - i * chunks) * chunk + threadIdx.x;
    const Row<E> row(step, i);
    typename E::Raw perturbed[per_thread], clean[per_thread], gradient[per_thread];
#pragma unroll
    for (int k = 0; k < per_thread; ++k) {
      const std::int64_t j = first + k * threads;
      if (j < step.n_features) {
        perturbed[k] = row.perturbed[j];
        clean[k] = row.clean[j];
        gradient[k] = row.gradient[j];
      }
    }
#pragma unroll
    for (int k = 0; k < per_thread; ++k) {
      const std::int64_t j = first + k * threads;
      if (j < step.n_features) {
        const Sum moved = linf_step<Sum>(E::load(perturbed[k]), E::load(clean[k]), E::load(gradient[k]),
                                         limits.scale[j], size, limits.epsilon[i], limits.lower[j], limits.upper[j]);
        row.out[j] = E::store(moved);
      }
    }
  }
}

template <typename E>
__global__ void __launch_bounds__(threads) l2_kernel(Perturbation step) {
  using Sum = typename E::Sum;
  const Limits<Sum> limits(step);
  for (std::int64_t i = blockIdx.x; i < step.n_samples; i += gridDim.x) {
    const Row<E> row(step, i);
    double offsets = 0, product = 0, slopes = 0;
    for (std::int64_t j = threadIdx.x; j < step.n_features; j += threads) {
      const double offset = seen(offset_of<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), limits.scale[j]));
      const double slope = slope_of<Sum>(E::load(row.gradient[j]), limits.scale[j]);
      offsets += offset * offset;
      product += offset * slope;
      slopes += slope * slope;
    }
    offsets = block_sum(offsets);
    product = block_sum(product);
    slopes = block_sum(slopes);
    const L2Step<Sum> whole = l2_step_of<Sum>(offsets, product, slopes, step.step_size, limits.epsilon[i]);
    for (std::int64_t j = threadIdx.x; j < step.n_features; j += threads) {
      row.out[j] = E::store(l2_step<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), E::load(row.gradient[j]),
                                         limits.scale[j], whole, limits.lower[j], limits.upper[j]));
    }
  }
}

// A row as the l1 searches see it. Every look computes it anew from the tensors, which the cache holds.
template <typename E>
struct L1Row {
  using Sum = typename E::Sum;
  Row<E> row;
  Limits<Sum> limits;
  std::int64_t n_features;
  L1Step<Sum> whole;

  __device__ std::int64_t count_at_least(Sum threshold) const {
    double count = 0;
    for (std::int64_t j = threadIdx.x; j < n_features; j += threads) {
      const Sum pull = l1_pull<Sum>(E::load(row.perturbed[j]), E::load(row.gradient[j]), limits.scale[j],
                                    whole.step_size, limits.lower[j], limits.upper[j]);
      count += pull >= threshold ? 1.0 : 0.0;
    }
    return static_cast<std::int64_t>(block_sum(count));
  }

  __device__ double sum_above(Sum border, double& count) const {
    double sum = 0, above = 0;
    for (std::int64_t j = threadIdx.x; j < n_features; j += threads) {
      const Sum perturbed = E::load(row.perturbed[j]), scale = limits.scale[j];
      const Sum far = seen(offset_of<Sum>(perturbed, E::load(row.clean[j]), scale)) +
                      l1_move<Sum>(perturbed, E::load(row.gradient[j]), scale, whole, limits.lower[j], limits.upper[j]);
      const Sum size = far < Sum(0) ? -far : far;
      sum += size > border ? static_cast<double>(size) : 0.0;
      above += size > border ? 1.0 : 0.0;
    }
    count = block_sum(above);
    return block_sum(sum);
  }
};

template <typename E>
__global__ void __launch_bounds__(threads) l1_kernel(Perturbation step) {
  using Sum = typename E::Sum;
  for (std::int64_t i = blockIdx.x; i < step.n_samples; i += gridDim.x) {
    L1Row<E> seen_row{Row<E>(step, i), Limits<Sum>(step), step.n_features, {}};
    const Row<E>& row = seen_row.row;
    const Limits<Sum>& limits = seen_row.limits;
    L1Step<Sum>& whole = seen_row.whole;
    whole.step_size = static_cast<Sum>(step.step_size);
    std::int64_t n_moved = 0;
    whole.threshold = threshold_of_top<Sum>(seen_row, step.n_top, n_moved);
    whole.size = static_cast<Sum>(step.step_size / static_cast<double>(n_moved > 0 ? n_moved : 1));
    whole.shrinkage = shrinkage_into_l1_ball<Sum>(seen_row, limits.epsilon[i]);
    // The last sum has made every thread wait for the others, so nobody reads what is written here.
    for (std::int64_t j = threadIdx.x; j < step.n_features; j += threads) {
      row.out[j] = E::store(l1_step<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), E::load(row.gradient[j]),
                                         limits.scale[j], whole, limits.lower[j], limits.upper[j]));
    }
  }
}

template <typename E>
__global__ void __launch_bounds__(threads) random_start_kernel(RandomStart start) {
  using Raw = typename E::Raw;
  using Sum = typename E::Sum;
  const Limits<Sum> limits(start);
  for (std::int64_t i = blockIdx.x; i < start.n_samples; i += gridDim.x) {
    const Raw* clean = static_cast<const Raw*>(start.clean) + i * start.n_features;
    const Sum* direction = static_cast<const Sum*>(start.direction) + i * start.n_features;
    Raw* out = static_cast<Raw*>(start.out) + i * start.n_features;
    double norm = 1;
    if (start.norm != Norm::linf) {
      double sum = 0;
      for (std::int64_t j = threadIdx.x; j < start.n_features; j += threads) {
        const double value = limits.scale[j] > Sum(0) ? direction[j] : Sum(0);
        sum += start.norm == Norm::l2 ? value * value : (value < 0 ? -value : value);
      }
      sum = block_sum(sum);
      norm = start.norm == Norm::l2 ? std::sqrt(sum) : sum;
    }
    for (std::int64_t j = threadIdx.x; j < start.n_features; j += threads) {
      out[j] = E::store(placed<Sum>(direction[j], static_cast<Sum>(norm), E::load(clean[j]), limits.scale[j],
                                    limits.epsilon[i], limits.lower[j], limits.upper[j]));
    }
  }
}

unsigned int blocks_for(std::int64_t pieces) { return static_cast<unsigned int>(std::min(pieces, most_blocks)); }

template <typename Given>
void start(void (*kernel)(Given), std::int64_t pieces, cudaStream_t stream, const Given& given) {
  require_launched(launch(kernel, Blocks::apart, blocks_for(pieces), threads, stream, given));
}

template <typename E>
void run(Perturbation step, cudaStream_t stream) {
  if (step.norm == Norm::linf) {
    // One epsilon and one box: the samples' borders mean nothing, so the whole is one long row.
    if (step.epsilon_per_sample == nullptr && step.features_are_alike()) {
      step.n_features *= step.n_samples;
      step.n_samples = 1;
    }
    const std::int64_t chunk = static_cast<std::int64_t>(threads) * per_thread;
    const std::int64_t chunks = (step.n_features + chunk - 1) / chunk;
    start(linf_kernel<E>, step.n_samples * chunks, stream, step);
  } else if (step.norm == Norm::l2) {
    start(l2_kernel<E>, step.n_samples, stream, step);
  } else {
    start(l1_kernel<E>, step.n_samples, stream, step);
  }
}

template <typename E>
void run(const RandomStart& given, cudaStream_t stream) {
  start(random_start_kernel<E>, given.n_samples, stream, given);
}

template <typename Given>
void run_for(Element element, const Given& given) {
  const OnDevice here(given.device);
  switch (element) {
    case Element::float64: return run<Plain<double>>(given, here.stream);
    case Element::bfloat16: return run<Brain16>(given, here.stream);
    case Element::float16: return run<Half16>(given, here.stream);
    default: return run<Plain<float>>(given, here.stream);
  }
}

}  // namespace

void perturb_cuda(Element element, const Perturbation& step) { run_for(element, step); }

void random_start_cuda(Element element, const RandomStart& start) { run_for(element, start); }

}  // namespace cotrain
