//! What a store keeps of each row and of each dimension: inverse norms, means and deviations.

#[cfg(target_arch = "x86_64")]
use crate::sys::simd::{Isa, Kernel};

/// Lanes of a sum of squares.
const LANES: usize = 8;
/// Rows that are summed side by side: sums of a column wait for each other, sums of rows do not.
const ROWS: usize = 8;

/// 1 / length of `row`, summed in float64 in eight lanes, lane `j` taking every eighth number from the `j`-th on, the lanes
/// then added from first to last; 0 for a row of zeros. The order is part of the format, so that every writer agrees.
#[must_use]
#[inline(always)]
pub fn inverse_norm(row: &[f32]) -> f32 {
    let mut lanes = [0f64; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f64::from(x) * f64::from(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(x) * f64::from(x);
    }
    inverse_root(lanes.iter().sum())
}

#[inline(always)]
fn inverse_root(square: f64) -> f32 {
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
    dim: usize,
    count: u64,
    /// Of so many columns as make whole lanes; those behind the last stay zero.
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Statistics {
    pub(crate) fn new(dim: usize) -> Statistics {
        let zeros = vec![0.0; dim.next_multiple_of(LANES)];
        Statistics { dim, count: 0, sums: zeros.clone(), squares: zeros }
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
        let (sums, squares) = (&self.sums[..self.dim], &self.squares[..self.dim]);
        let means = sums.iter().map(|sum| sum / n);
        let deviations =
            sums.iter().zip(squares).map(|(sum, square)| (square / n - (sum / n) * (sum / n)).max(0.0).sqrt());
        means.chain(deviations).collect()
    }

    /// Adds rows and appends their inverse norms, with the widest vectors that the processor has. Rust never fuses or
    /// reorders float arithmetic, so that their width does not change the result.
    #[allow(unsafe_code)]
    pub(crate) fn add_rows(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        #[cfg(target_arch = "x86_64")]
        match Kernel::detect().isa() {
            Isa::Scalar => {}
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
            Isa::Avx2 => return unsafe { self.add_rows_avx2(rows, norms) },
            // SAFETY: as above; those that are left have AVX-512.
            _ => return unsafe { self.add_rows_avx512(rows, norms) },
        }
        self.add_rows_generic(rows, norms);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
    fn add_rows_avx512(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        self.add_rows_generic(rows, norms);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_rows_avx2(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        self.add_rows_generic(rows, norms);
    }

    #[inline(always)]
    fn add_rows_generic(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        let groups = rows.chunks_exact(ROWS * self.dim);
        let rest = groups.remainder();
        for group in groups {
            self.add_group::<ROWS>(group, norms);
        }
        for row in rest.chunks_exact(self.dim) {
            self.add_group::<1>(row, norms);
        }
    }

    /// Adds `N` rows: each square is taken once, for its column and for its row.
    #[inline(always)]
    fn add_group<const N: usize>(&mut self, rows: &[f32], norms: &mut Vec<f32>) {
        let mut lanes = [[0f64; LANES]; N];
        let (sums, squares) = (self.sums.as_chunks_mut().0, self.squares.as_chunks_mut().0);
        let whole = self.dim / LANES;
        let rows: [_; N] = std::array::from_fn(|i| rows[i * self.dim..(i + 1) * self.dim].as_chunks());
        for i in 0..whole {
            add_column(rows.map(|row| &row.0[i]), &mut sums[i], &mut squares[i], &mut lanes);
        }
        if let (Some(sums), Some(squares)) = (sums.get_mut(whole), squares.get_mut(whole)) {
            let mut last = [[0f32; LANES]; N];
            for (last, row) in last.iter_mut().zip(rows) {
                last.iter_mut().zip(row.1).for_each(|(last, &x)| *last = x);
            }
            add_column(last.each_ref(), sums, squares, &mut lanes);
        }
        self.count += N as u64;
        norms.extend(lanes.map(|lanes| inverse_root(lanes.iter().sum())));
    }
}

/// Adds so many columns of `N` rows to the sums of each column, and the squares to those of each row.
#[inline(always)]
fn add_column<const N: usize>(
    rows: [&[f32; LANES]; N],
    sums: &mut [f64; LANES],
    squares: &mut [f64; LANES],
    lanes: &mut [[f64; LANES]; N],
) {
    for (row, lanes) in rows.into_iter().zip(lanes) {
        let values = row.map(f64::from);
        for j in 0..LANES {
            let square = values[j] * values[j];
            sums[j] += values[j];
            squares[j] += square;
            lanes[j] += square;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_side_by_side_add_what_rows_one_by_one_do() {
        for (dim, count) in [(1, 1), (3, 17), (8, 8), (50, 100), (300, 9)] {
            let rows: Vec<f32> = (0..dim * count).map(|i| (i as f32 * 0.37).sin() - 0.1).collect();
            let (mut sums, mut squares) = (vec![0f64; dim], vec![0f64; dim]);
            for row in rows.chunks_exact(dim) {
                for (j, &x) in row.iter().enumerate() {
                    sums[j] += f64::from(x);
                    squares[j] += f64::from(x) * f64::from(x);
                }
            }
            let (mut found, mut norms) = (Statistics::new(dim), Vec::new());
            found.add_rows(&rows, &mut norms);
            assert_eq!((&found.sums[..dim], &found.squares[..dim]), (&sums[..], &squares[..]), "{dim}");
            assert_eq!(norms, rows.chunks_exact(dim).map(inverse_norm).collect::<Vec<_>>(), "{dim}");
            assert!(found.sums[dim..].iter().chain(&found.squares[dim..]).all(|&sum| sum == 0.0));
        }
    }
}
