// The GPU and the stream that the caller works with.
#pragma once

#ifndef USE_CUDA
#define USE_CUDA  // or PyTorch's headers hide the current stream
#endif

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>

#include <cstdint>

namespace cotrain {

// Makes a GPU the current one for as long as it lives.
class OnDevice {
 public:
  explicit OnDevice(std::int32_t number) : guard_(number) {
    void* current = nullptr;
    STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(number, &current));
    stream = static_cast<cudaStream_t>(current);
  }

  cudaStream_t stream = nullptr;

 private:
  torch::stable::accelerator::DeviceGuard guard_;
};

inline void require_launched(cudaError_t said) { STD_CUDA_CHECK(said); }

}  // namespace cotrain
