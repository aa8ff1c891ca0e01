// How a kernel is started: on the caller's stream, without waiting for it, so that a CUDA graph can hold it.
#pragma once

#include <cuda_runtime.h>

namespace cotrain {

// Whether the blocks may wait for one another; all of them must fit on the GPU at once then.
enum class Blocks { apart, together };

template <typename Given>
cudaError_t launch(void (*kernel)(Given), Blocks are, unsigned int blocks, unsigned int threads, cudaStream_t stream,
                   const Given& given) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeCooperative;
  attribute.val.cooperative = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(threads);
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = are == Blocks::together ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, given);
}

}  // namespace cotrain
