//! Runs code compiled for the vector instructions that the machine has.

/// Calls `operation`, compiled for AVX2 where there is AVX2.
///
/// Only what is inlined into it gains: mark the closure and the functions it calls `#[inline(always)]`, and write plain loops.
#[inline(always)]
pub(super) fn vectorised<R>(operation: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(operation);
    }
    operation()
}
