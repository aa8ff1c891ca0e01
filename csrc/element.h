// The number types that the operators read.
#pragma once

namespace cotrain {

enum class Element { float32, float64, bfloat16, float16 };

}  // namespace cotrain
