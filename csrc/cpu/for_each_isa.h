// Compiles the file named by COTRAIN_KERNEL once per instruction set, each in its own namespace.
//
// Include every standard header BEFORE this one: what is first seen inside a region is compiled for that
// region's instructions, and the linker may then hand that copy to code that runs on an older processor.
// For the same reason a kernel file holds plain loops and its own templates, and no lambdas.
// No include guard on purpose: each operator's file includes it once.

#if !defined(COTRAIN_KERNEL)
#error "Define COTRAIN_KERNEL, the kernel file to compile, before including for_each_isa.h."
#endif

namespace cotrain::baseline {
#include COTRAIN_KERNEL
}  // namespace cotrain::baseline

#if COTRAIN_X86_LEVELS

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2")
#endif
namespace cotrain::avx2 {
#include COTRAIN_KERNEL
}  // namespace cotrain::avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2")
#endif
namespace cotrain::avx512 {
#include COTRAIN_KERNEL
}  // namespace cotrain::avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#define COTRAIN_ON_CHOSEN_ISA(function, ...)                                        \
  (cotrain::chosen_isa() == cotrain::Isa::avx512 ? cotrain::avx512::function(__VA_ARGS__) \
   : cotrain::chosen_isa() == cotrain::Isa::avx2 ? cotrain::avx2::function(__VA_ARGS__)   \
                                                 : cotrain::baseline::function(__VA_ARGS__))
#else
#define COTRAIN_ON_CHOSEN_ISA(function, ...) cotrain::baseline::function(__VA_ARGS__)
#endif

#undef COTRAIN_KERNEL
