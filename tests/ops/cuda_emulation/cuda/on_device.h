// In place of the header of this name in csrc: the tensors lie on the processor, and there is one stream.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>

namespace cotrain {

struct OnDevice {
  explicit OnDevice(std::int32_t) {}
  cudaStream_t stream = nullptr;
};

inline void require_launched(cudaError_t said) {
  if (said != cudaSuccess) throw std::runtime_error("The kernel was not launched.");
}

}  // namespace cotrain
