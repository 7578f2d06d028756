//! A hint that a cache line will be read soon.

/// Asks for the line that holds `bytes[at]`; does nothing where there is no such byte or no such instruction.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    prefetch_address(bytes.as_ptr().wrapping_add(at));
}

/// Asks for the line at an address, whatever is there; does nothing where there is no such instruction.
#[inline(always)]
#[allow(unsafe_code)]
pub fn prefetch_address(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint that reads nothing and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The same, but not into the nearest cache: for what is read after much else.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch_for_later(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
