//! Comparison by float32: for a query or two, as fast as the rows come from memory.

use std::ops::Range;

use super::{
    codes::Source,
    exact::Exact,
    passes::{FIRST_ROWS, Scored, Scorer, reaching},
    quantize::is_usual,
    screen::Screen,
    tile::PerQuery,
};
use crate::{
    dtype::Dtype,
    format::row_stats::normalize,
    store::selection::RowSelection,
    sys::{
        prefetch::prefetch_for_later,
        simd::{Isa, Kernel},
    },
};

/// Rows asked for ahead of the one that is multiplied.
const PREFETCH_ROWS: usize = 8;

/// Queries of length 1, one after the other.
pub(crate) struct Floats<'a> {
    source: Source<'a>,
    queries: &'a [f32],
    units: Vec<f32>,
    /// What adding up in float32, in whatever order, can be off by, for a query and a row of length 1, and the rounding of both,
    /// twice over.
    rounding: f32,
}

impl<'a> Floats<'a> {
    /// Of queries none of which is zeros.
    pub(crate) fn new(source: Source<'a>, queries: &'a [f32]) -> Floats<'a> {
        let mut units = queries.to_vec();
        units.chunks_exact_mut(source.rows.dim()).for_each(normalize);
        Floats { source, queries, units, rounding: (source.rows.dim() + 16) as f32 * 2.0 * f32::EPSILON }
    }

    /// Products of a query and the rows at those places, once they have length 1, and what their codes leave out of them.
    fn multiply(&self, places: Range<usize>, query: &[f32], room: &mut Room) {
        let (dim, Source { rows, candidates, screen, inverse_norms, kernel }) = (query.len(), self.source);
        let (scores, [worths, offs]) = (&mut room.scores[..places.len()], &mut room.bounds);
        offs.fill(0.0);
        if let (Some(Screen::Bytes { codes, bounds }), RowSelection::First(_)) = (screen, candidates) {
            for ((worth, off), bound) in worths.iter_mut().zip(offs).zip(&bounds[places.clone()]) {
                [*worth, *off] = *bound;
            }
            gemv(kernel, query, &codes[places.start * dim..places.end * dim], scores);
        } else {
            for (norm, place) in worths.iter_mut().zip(places.clone()) {
                *norm = inverse_norms[candidates.id(place)];
            }
            let stored = || &rows.stored[places.start * dim * rows.dtype.size()..places.end * dim * rows.dtype.size()];
            match (candidates, rows.dtype, rows.float32()) {
                (RowSelection::First(_), _, Some(values)) => {
                    gemv(kernel, query, &values[places.start * dim..places.end * dim], scores);
                }
                (RowSelection::First(_), Dtype::BFloat16, _) => {
                    gemv(kernel, query, stored().as_chunks::<2>().0, scores)
                }
                (RowSelection::First(_), Dtype::Int8, _) => {
                    gemv(kernel, query, bytemuck::cast_slice::<u8, i8>(stored()), scores);
                    worths.iter_mut().zip(&rows.scales[places.clone()]).for_each(|(worth, scale)| *worth *= scale);
                }
                _ => {
                    room.rows.resize(places.len() * dim, 0.0);
                    for (place, row) in places.clone().zip(room.rows.chunks_exact_mut(dim)) {
                        rows.decode(candidates.id(place), row);
                    }
                    gemv(kernel, query, &room.rows, scores);
                }
            }
        }
        scores.iter_mut().zip(worths).for_each(|(score, worth)| *score *= *worth);
    }
}

/// A thread's scores, and rows that are not stored as they are multiplied.
pub(crate) struct Room {
    scores: [f32; FIRST_ROWS],
    highest: [f32; FIRST_ROWS],
    /// What a product is worth, and what the row's codes leave out.
    bounds: [[f32; FIRST_ROWS]; 2],
    rows: Vec<f32>,
}

impl Scorer for Floats<'_> {
    const BLOCK_ROWS: usize = FIRST_ROWS;
    type Room = Room;

    fn room(&self) -> Room {
        Room { scores: [0.0; FIRST_ROWS], highest: [0.0; FIRST_ROWS], bounds: [[0.0; FIRST_ROWS]; 2], rows: Vec::new() }
    }

    fn queries(&self) -> usize {
        self.source.count(self.queries)
    }

    fn exact(&self, query: usize) -> Exact<'_> {
        self.source.exact(self.queries, query)
    }

    fn off(&self, _: usize) -> f32 {
        self.rounding
    }

    fn score(&self, places: Range<usize>, bars: &[PerQuery<f32>], room: &mut Room, scored: &mut Vec<Scored>) {
        let dim = self.source.rows.dim();
        let bars = bars.as_flattened().as_flattened();
        let id = |place| self.source.candidates.id(place);
        let is_unusual = |place: &usize| {
            let norm = self.source.inverse_norms[id(*place)];
            norm != 0.0 && !is_usual(norm)
        };
        let unusual: Vec<usize> = places.clone().filter(is_unusual).collect();
        for (i, query) in self.units.chunks_exact(dim).enumerate() {
            self.multiply(places.clone(), query, room);
            for &place in &unusual {
                let mut exact = self.exact(i);
                room.scores[place - places.start] = exact.score(id(place) as u32) as f32;
            }
            let ([_, offs], scores) = (&room.bounds, &room.scores[..places.len()]);
            let highest = &mut room.highest[..places.len()];
            for ((high, score), off) in highest.iter_mut().zip(scores).zip(offs) {
                *high = score + off;
            }
            reaching(highest, bars[i], |place| {
                let (score, off) = (scores[place], offs[place]);
                scored.push(Scored { query: i as u32, id: id(places.start + place) as u32, score, off });
            });
        }
    }
}

/// A number as rows have it.
trait Element: bytemuck::Pod {
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
fn gemv<T: Element>(kernel: Kernel, query: &[f32], rows: &[T], products: &mut [f32]) {
    match kernel.isa() {
        Isa::Scalar => gemv_generic(query, rows, products, |a, b, c| a * b + c),
        // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name, FMA among them.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { gemv_avx2(query, rows, products) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Vbmi2 => unsafe { gemv_avx512(query, rows, products) },
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
            prefetch_for_later(later.wrapping_add(line).cast());
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
    fn products_are_those_of_float64() {
        let value = |i: usize| ((i * 7919) % 101) as f32 / 50.0 - 1.0;
        for dim in [1, 3, 50, 64, 65, 300] {
            let rows: Vec<f32> = (0..37 * dim).map(value).collect();
            let query: Vec<f32> = (0..dim).map(|i| value(i + 13)).collect();
            let mut found = [f32::NAN; 37];
            for kernel in Kernel::available() {
                gemv(kernel, &query, &rows, &mut found);
                for (row, product) in rows.chunks(dim).zip(found) {
                    let exact: f64 = query.iter().zip(row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    assert!((f64::from(product) - exact).abs() < 1e-4, "{kernel:?} {dim}: {product} {exact}");
                }
            }
        }
    }
}
