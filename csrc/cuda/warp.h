// How many threads go in step.
#pragma once

namespace cotrain {

constexpr int warp = 32;

}  // namespace cotrain
