//! Which instructions are used: the processor is asked here and nowhere else, so that `EMBMAP_KERNEL` counts everywhere.

use std::sync::OnceLock;

/// Sets of instructions, each with all that is in those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isa {
    /// None in particular.
    Scalar,
    /// AVX2, FMA, BMI1, BMI2, LZCNT and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ, VL and CD.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// AVX-512 VBMI2.
    #[cfg(target_arch = "x86_64")]
    Avx512Vbmi2,
}

/// A set of instructions that this processor has: only this module can make one, and it asks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel(Isa);

impl Kernel {
    /// The one that every processor runs, and the reference for the others.
    #[cfg(test)]
    pub(crate) const SCALAR: Kernel = Kernel(Isa::Scalar);

    /// The best for this processor; the environment's `EMBMAP_KERNEL`, one of the names, asks for another, to measure or to
    /// compare. It is looked at once.
    pub(crate) fn detect() -> Kernel {
        static DETECTED: OnceLock<Kernel> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let asked = std::env::var("EMBMAP_KERNEL").unwrap_or_default();
            let available = Kernel::available();
            *available.iter().find(|kernel| asked.is_empty() || kernel.name() == asked).unwrap_or(&Kernel(Isa::Scalar))
        })
    }

    /// All that this processor can run, the best first.
    pub(crate) fn available() -> Vec<Kernel> {
        let mut found = vec![Kernel(Isa::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512cd");
            let vnni = avx512 && is_x86_feature_detected!("avx512vnni");
            let vbmi2 = vnni && is_x86_feature_detected!("avx512vbmi2");
            found.extend(avx2.then_some(Kernel(Isa::Avx2)));
            found.extend(avx512.then_some(Kernel(Isa::Avx512)));
            found.extend(vnni.then_some(Kernel(Isa::Avx512Vnni)));
            found.extend(vbmi2.then_some(Kernel(Isa::Avx512Vbmi2)));
        }
        found.reverse();
        found
    }

    /// The instructions.
    pub(crate) fn isa(self) -> Isa {
        self.0
    }

    /// What `EMBMAP_KERNEL` calls them.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => "avx512vnni",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vbmi2 => "avx512vbmi2",
        }
    }
}
