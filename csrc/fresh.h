// Tensors of the stable ABI without values. Straight through the C interface: by way of the dispatcher, as
// torch::stable::new_empty goes, one takes a microsecond, and a call of small heads makes eight.
#pragma once

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <initializer_list>
#include <vector>

#include "tensors.h"

namespace cotrain {

inline std::int32_t dtype_of(ScalarType type) {
  switch (type) {
    case ScalarType::Double: return aoti_torch_dtype_float64();
    case ScalarType::BFloat16: return aoti_torch_dtype_bfloat16();
    case ScalarType::Half: return aoti_torch_dtype_float16();
    default: return aoti_torch_dtype_float32();
  }
}

// On the CPU.
inline Tensor fresh(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides, ScalarType type) {
  AtenTensorHandle handle = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(static_cast<std::int64_t>(sizes.size()), sizes.data(),
                                                         strides.data(), dtype_of(type),
                                                         aoti_torch_device_type_cpu(), 0, &handle));
  return Tensor(handle);
}

// [n], or a scalar.
inline Tensor fresh(std::initializer_list<std::int64_t> sizes, ScalarType type) {
  return fresh(sizes, std::vector<std::int64_t>(sizes.size(), 1), type);
}

// Of the shape and type of another, and laid out like it where that leaves no gaps.
inline Tensor fresh_like(const Tensor& tensor) {
  if (!tensor.is_contiguous()) return torch::stable::empty_like(tensor);
  std::vector<std::int64_t> sizes, strides;
  for (std::int64_t d = 0; d < tensor.dim(); ++d) {
    sizes.push_back(tensor.size(d));
    strides.push_back(tensor.stride(d));
  }
  return fresh(sizes, strides, tensor.scalar_type());
}

}  // namespace cotrain
