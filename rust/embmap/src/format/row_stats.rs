//! What a store keeps of each row and of each dimension: inverse norms, means and deviations.

#[cfg(target_arch = "x86_64")]
use crate::sys::simd::{Isa, Kernel};

/// 1 / length of `row`, summed in float64 in eight lanes, lane `j` taking every eighth number from the `j`-th on, the lanes
/// then added from first to last; 0 for a row of zeros. The order is part of the format, so that every writer agrees.
#[must_use]
#[inline(always)]
pub fn inverse_norm(row: &[f32]) -> f32 {
    let mut lanes = [0f64; 8];
    let (blocks, rest) = row.as_chunks::<8>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f64::from(x) * f64::from(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(x) * f64::from(x);
    }
    let square: f64 = lanes.iter().sum();
    if square == 0.0 { 0.0 } else { ((1.0 / square.sqrt()) as f32).min(f32::MAX) }
}

/// Scales a row to length 1; a row of zeros stays one.
pub(crate) fn normalize(row: &mut [f32]) {
    let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if square > 0.0 {
        let length = square.sqrt();
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}

/// Sums over rows, in float64.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    count: u64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Statistics {
    pub(crate) fn new(dim: usize) -> Statistics {
        Statistics { count: 0, sums: vec![0.0; dim], squares: vec![0.0; dim] }
    }

    /// Adds the rows of `other`. Batches are added in source order, so that the result does not depend on the threads.
    pub(crate) fn add(&mut self, other: &Statistics) {
        self.count += other.count;
        for (mine, theirs) in [(&mut self.sums, &other.sums), (&mut self.squares, &other.squares)] {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }

    /// Means, then population standard deviations; zeros without rows.
    pub(crate) fn finish(&self) -> Vec<f64> {
        let n = self.count.max(1) as f64;
        let means = self.sums.iter().map(|sum| sum / n);
        let deviations = self
            .sums
            .iter()
            .zip(&self.squares)
            .map(|(sum, square)| (square / n - (sum / n) * (sum / n)).max(0.0).sqrt());
        means.chain(deviations).collect()
    }

    /// Adds rows and appends their inverse norms, with the widest vectors that the processor has. Rust never fuses or
    /// reorders float arithmetic, so that their width does not change the result.
    #[allow(unsafe_code)]
    pub(crate) fn add_rows(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        #[cfg(target_arch = "x86_64")]
        if Kernel::detect().isa() >= Isa::Avx512 {
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
            return unsafe { self.add_rows_avx512(rows, norms) };
        }
        self.add_rows_generic(rows, norms);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn add_rows_avx512(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        self.add_rows_generic(rows, norms);
    }

    #[inline(always)]
    fn add_rows_generic(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        for row in rows.chunks_exact(self.sums.len()) {
            for ((sum, square), &x) in self.sums.iter_mut().zip(&mut self.squares).zip(row) {
                *sum += f64::from(x);
                *square += f64::from(x) * f64::from(x);
            }
            self.count += 1;
            norms.push(inverse_norm(row));
        }
    }
}
