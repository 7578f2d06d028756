//! Blocks of rows as codes in a near cache, wherever they come from: the screening copy, rows that are int8 themselves, or numbers
//! that are quantized on the way.

use std::ops::Range;

use super::{
    exact::Exact,
    quantize::{Bound, SIGN, is_usual, quantize},
    screen::{Screen, plane_len},
    tile::{Ahead, Codes, STEP},
};
use crate::{
    dtype::Dtype,
    store::{gather::Rows, selection::RowSelection},
    sys::simd::{Isa, Kernel},
};

/// The rows that are searched.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub rows: Rows<'a>,
    pub inverse_norms: &'a [f32],
    pub screen: Option<Screen<'a>>,
    pub candidates: RowSelection<'a>,
    pub kernel: Kernel,
}

/// Rows of codes.
pub(crate) struct Block {
    steps: usize,
    codes: Vec<[u8; STEP]>,
    pub bounds: Vec<Bound>,
    row: Vec<f32>,
}

impl Block {
    pub(crate) fn codes(&self) -> Codes<'_> {
        Codes { codes: &self.codes, steps: self.steps, bounds: &self.bounds }
    }
}

impl<'a> Source<'a> {
    /// How many queries these numbers are.
    pub(crate) fn count(&self, queries: &[f32]) -> usize {
        queries.len() / self.rows.dim()
    }

    /// What decides between rows for one of these queries.
    pub(crate) fn exact(&self, queries: &'a [f32], query: usize) -> Exact<'a> {
        let dim = self.rows.dim();
        Exact::cosine(self.rows, &queries[query * dim..][..dim])
    }

    /// Room for so many rows.
    pub(crate) fn block(&self, rows: usize) -> Block {
        let dim = self.rows.dim();
        let steps = dim.div_ceil(STEP);
        // Behind a row that does not fill its last step, no query has codes: whatever stands there adds nothing.
        Block { steps, codes: vec![[SIGN; STEP]; rows * steps], bounds: Vec::with_capacity(rows), row: vec![0.0; dim] }
    }

    /// The codes of the rows at those places, with the widest vectors that the processor has.
    #[allow(unsafe_code)]
    pub(crate) fn fill(&self, places: Range<usize>, block: &mut Block) {
        #[cfg(target_arch = "x86_64")]
        if self.kernel.isa() >= Isa::Avx512 {
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
            return unsafe { self.fill_avx512(places, block) };
        }
        self.fill_generic(places, block);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn fill_avx512(&self, places: Range<usize>, block: &mut Block) {
        self.fill_generic(places, block);
    }

    #[inline(always)]
    fn fill_generic(&self, places: Range<usize>, block: &mut Block) {
        let dim = self.rows.dim();
        block.bounds.clear();
        for (place, codes) in places.zip(block.codes.chunks_exact_mut(block.steps)) {
            let (id, codes) = (self.candidates.id(place), &mut codes.as_flattened_mut()[..dim]);
            let inverse_norm = self.inverse_norms[id];
            let bound = if self.rows.dtype == Dtype::Int8 && is_usual(inverse_norm) {
                let own: &[i8] = bytemuck::cast_slice(self.rows.get(id));
                codes.iter_mut().zip(own).for_each(|(to, &code)| *to = code as u8 ^ SIGN);
                // Scale, inverse norm, their product and each value of the row are rounded once.
                [self.rows.scales[id] * inverse_norm, 3.0 * f32::EPSILON]
            } else if let Some(screen) = self.screen {
                screen.codes(id, codes)
            } else if let Some(values) = self.rows.float32() {
                quantize(self.kernel, &values[id * dim..][..dim], inverse_norm, codes)
            } else {
                self.rows.decode(id, &mut block.row);
                quantize(self.kernel, &block.row, inverse_norm, codes)
            };
            block.bounds.push(bound);
        }
    }

    /// What will be read for the rows from `place` on.
    pub(crate) fn ahead(&self, place: usize) -> Ahead {
        let dim = self.rows.dim();
        let (start, bytes_a_row) = match (self.candidates, self.screen) {
            (RowSelection::Only(_), _) => return Ahead { start: std::ptr::null(), bytes_a_row: 0 },
            (_, Some(Screen::Bytes { codes, .. })) => (codes.as_ptr().cast(), dim),
            (_, Some(Screen::Planes(planes))) => (planes.high.as_ptr(), plane_len(dim)),
            (_, None) => (self.rows.stored.as_ptr(), dim * self.rows.dtype.size()),
        };
        Ahead { start: start.wrapping_add(place * bytes_a_row), bytes_a_row }
    }
}
