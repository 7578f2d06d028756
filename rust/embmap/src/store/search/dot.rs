//! Products of queries and rows.

use crate::sys::{
    prefetch::prefetch_address,
    simd::{Isa, Kernel},
};

/// Fewer queries are multiplied row by row, as fast as the rows come from memory; more are worth packing them first.
pub(crate) const FEW_QUERIES: usize = 4;

/// Rows asked for ahead of the one that is multiplied.
const PREFETCH_ROWS: usize = 8;

/// Product of every query with every row, query by query: `products[q * rows + r]`. Both hold vectors of `dim` numbers.
///
/// # Panics
///
/// Where the lengths do not fit.
pub(crate) fn products(queries: &[f32], rows: &[f32], dim: usize, products: &mut [f32]) {
    let (m, n) = (queries.len() / dim, rows.len() / dim);
    assert!(queries.len() == m * dim && rows.len() == n * dim && products.len() == m * n, "lengths that do not fit");
    if m > FEW_QUERIES {
        return gemm(queries, rows, dim, products);
    }
    for (query, products) in queries.chunks_exact(dim).zip(products.chunks_exact_mut(n.max(1))) {
        gemv(query, rows, products);
    }
}

/// The `gemm` crate's product, on this thread.
///
/// # Panics
///
/// Where the lengths do not fit.
#[allow(unsafe_code)]
fn gemm(queries: &[f32], rows: &[f32], dim: usize, products: &mut [f32]) {
    let (m, n) = (queries.len() / dim, rows.len() / dim);
    assert!(queries.len() == m * dim && rows.len() == n * dim && products.len() == m * n, "lengths that do not fit");
    // SAFETY: as has just been checked, `queries` is an m × dim matrix and `rows` an n × dim one, whose transpose is read,
    // both row after row, and `products` is m × n, row after row, written and not read; a slice overlaps no other that is
    // written.
    unsafe {
        gemm::gemm(
            m,
            n,
            dim,
            products.as_mut_ptr(),
            1,
            n as isize,
            false,
            queries.as_ptr(),
            1,
            dim as isize,
            rows.as_ptr(),
            dim as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A number as rows have it.
pub(crate) trait Element: bytemuck::Pod {
    /// Its value, or for a code what it is a multiple of.
    fn value(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn value(self) -> f32 {
        self
    }
}

impl Element for i8 {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from(self)
    }
}

/// A bfloat16.
impl Element for [u8; 2] {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(self)) << 16)
    }
}

/// Product of one query with every row, with the widest vectors that the processor has, as fast as the rows come from memory.
#[allow(unsafe_code)]
pub(crate) fn gemv<T: Element>(query: &[f32], rows: &[T], products: &mut [f32]) {
    match Kernel::detect().isa() {
        Isa::Scalar => gemv_generic(query, rows, products, |a, b, c| a * b + c),
        // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name, FMA among them.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { gemv_avx2(query, rows, products) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Vbmi2 => unsafe { gemv_avx512(query, rows, products) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn gemv_avx512<T: Element>(query: &[f32], rows: &[T], products: &mut [f32]) {
    gemv_generic(query, rows, products, f32::mul_add);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn gemv_avx2<T: Element>(query: &[f32], rows: &[T], products: &mut [f32]) {
    gemv_generic(query, rows, products, f32::mul_add);
}

#[inline(always)]
fn gemv_generic<T: Element>(
    query: &[f32],
    rows: &[T],
    products: &mut [f32],
    multiply_add: impl Fn(f32, f32, f32) -> f32,
) {
    let add = |sums: &mut [f32; 16], a: &[T; 16], b: &[f32; 16]| {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum = multiply_add(a.value(), b, *sum);
        }
    };
    let (query_blocks, query_rest) = query.as_chunks::<16>();
    let (query_fours, query_few) = query_blocks.as_chunks::<4>();
    for (row, product) in rows.chunks_exact(query.len()).zip(products) {
        // The processor itself does not look ahead beyond the end of a page.
        let later = row.as_ptr().wrapping_add(PREFETCH_ROWS * row.len());
        for line in (0..row.len()).step_by(64 / size_of::<T>()) {
            prefetch_address(later.wrapping_add(line).cast());
        }
        let (blocks, rest) = row.as_chunks::<16>();
        let (fours, few) = blocks.as_chunks::<4>();
        // Four vectors of sums, whose additions do not wait for each other.
        let mut sums = [[0f32; 16]; 4];
        for (a, b) in fours.iter().zip(query_fours) {
            for (sums, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                add(sums, a, b);
            }
        }
        for (sums, (a, b)) in sums.iter_mut().zip(few.iter().zip(query_few)) {
            add(sums, a, b);
        }
        let [mut total, others @ ..] = sums;
        for other in &others {
            total.iter_mut().zip(other).for_each(|(total, x)| *total += x);
        }
        let rest: f32 = rest.iter().zip(query_rest).map(|(a, b)| a.value() * b).sum();
        *product = total.iter().sum::<f32>() + rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same_products() {
        let value = |i: usize| ((i * 7919) % 101) as f32 / 50.0 - 1.0;
        for dim in [1, 3, 50, 64, 65, 300] {
            let rows: Vec<f32> = (0..37 * dim).map(value).collect();
            for m in [1, 4, 5, 33] {
                let queries: Vec<f32> = (0..m * dim).map(|i| value(i + 13)).collect();
                let mut found = vec![f32::NAN; m * 37];
                products(&queries, &rows, dim, &mut found);
                for (i, product) in found.into_iter().enumerate() {
                    let (query, row) = (&queries[i / 37 * dim..][..dim], &rows[i % 37 * dim..][..dim]);
                    let exact: f64 = query.iter().zip(row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    assert!((f64::from(product) - exact).abs() < 1e-4, "{dim} {m} {i}: {product} {exact}");
                }
            }
        }
    }
}
