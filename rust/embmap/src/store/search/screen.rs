//! The screening copy: a code for each number, from which is told which rows can be near, and the matrix read for the others only.
//!
//! Its planes hold the codes' upper and lower four bits apart, so that a query reads half a byte a number, and of a few rows the
//! other half. Stores that were written before there were planes have a byte a number.

use std::ops::Range;

use super::quantize::{Bound, SIGN, encode, length_up};

/// The copy of all rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Screen<'a> {
    Bytes { codes: &'a [i8], bounds: &'a [Bound] },
    Planes(Planes<'a>),
}

/// What a code is worth, the length of what the codes leave out of a row of length 1, and of what their upper halves do.
pub(crate) type PlaneBound = [f32; 3];

/// What the middle of the codes that share their upper half is, twice: each is 16 × that half, less this half.
pub(crate) const TWICE_MIDDLE: i32 = 241;

/// Codes, each plus [`SIGN`], by halves of four bits. A byte has those of a number of the row's first half in its lower bits, and
/// of one of the second in its upper ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub high: &'a [u8],
    pub low: &'a [u8],
    /// Of all rows, one part of their bounds after the other.
    pub bounds: [&'a [f32]; 3],
}

/// Bytes of a row in each plane.
pub(crate) fn plane_len(dim: usize) -> usize {
    dim.div_ceil(2)
}

impl<'a> Planes<'a> {
    /// Of the sections: the upper halves of all rows before the lower ones, and so the parts of their bounds.
    pub(crate) fn new(planes: &'a [u8], bounds: &'a [f32]) -> Planes<'a> {
        let (high, low) = planes.split_at(planes.len() / 2);
        let (worths, offs) = bounds.split_at(bounds.len() / 3);
        let (offs, offs_high) = offs.split_at(offs.len() / 2);
        Planes { high, low, bounds: [worths, offs, offs_high] }
    }

    /// A row's bound.
    #[inline(always)]
    pub(crate) fn bound(&self, id: usize) -> PlaneBound {
        self.bounds.map(|part| part[id])
    }

    /// A row's halves.
    #[inline(always)]
    pub(crate) fn row(plane: &[u8], id: usize, dim: usize) -> &[u8] {
        &plane[id * plane_len(dim)..][..plane_len(dim)]
    }
}

impl Screen<'_> {
    /// Writes the codes of a row, each plus [`SIGN`], and returns their bound.
    #[inline(always)]
    pub(crate) fn codes(&self, id: usize, codes: &mut [u8]) -> Bound {
        let dim = codes.len();
        match self {
            Screen::Bytes { codes: stored, bounds } => {
                codes.iter_mut().zip(&stored[id * dim..][..dim]).for_each(|(to, &code)| *to = code as u8 ^ SIGN);
                bounds[id]
            }
            Screen::Planes(planes) => {
                let (high, low) = (Planes::row(planes.high, id, dim), Planes::row(planes.low, id, dim));
                let (first, second) = codes.split_at_mut(plane_len(dim));
                for ((code, &high), &low) in first.iter_mut().zip(high).zip(low) {
                    *code = high << 4 | low & 15;
                }
                for ((code, &high), &low) in second.iter_mut().zip(high).zip(low) {
                    *code = high & !15 | low >> 4;
                }
                let [worth, off, _] = planes.bound(id);
                [worth, off]
            }
        }
    }

    /// Whether what stands for a row is made of these numbers.
    pub(crate) fn is_of(&self, id: usize, row: &[f32]) -> bool {
        let bits = |bound: &[f32]| bound.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        match self {
            Screen::Bytes { codes, bounds } => {
                let mut expected = Vec::with_capacity(row.len());
                let bound = encode(row, &mut expected);
                let found = bytemuck::cast_slice::<i8, u8>(&codes[id * row.len()..][..row.len()]);
                bits(&bound) == bits(&bounds[id]) && expected == found
            }
            Screen::Planes(planes) => {
                let (mut high, mut low) = (Vec::new(), Vec::new());
                let bound = encode_planes(row, [&mut high, &mut low]);
                bits(&bound) == bits(&planes.bound(id))
                    && high == Planes::row(planes.high, id, row.len())
                    && low == Planes::row(planes.low, id, row.len())
            }
        }
    }
}

/// Appends the halves of a row's codes to both planes, and returns their bounds.
pub(crate) fn encode_planes(row: &[f32], [high, low]: [&mut Vec<u8>; 2]) -> PlaneBound {
    let (mut codes, half) = (Vec::with_capacity(row.len() + 1), plane_len(row.len()));
    let [worth, off] = encode(row, &mut codes);
    codes.iter_mut().for_each(|code| *code ^= SIGN);
    let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let rest = |(&x, &code): (&f32, &u8)| {
        let middle = f64::from(i32::from(code & !15) * 2 - TWICE_MIDDLE) / 2.0;
        (f64::from(x) / length - f64::from(worth) * middle).powi(2)
    };
    let off_high = if length == 0.0 { 0.0 } else { length_up(row.iter().zip(&codes).map(rest).sum()) };
    // A half that no number has is of no matter.
    codes.resize(2 * half, 0);
    let (first, second) = codes.split_at(half);
    high.extend(first.iter().zip(second).map(|(first, second)| first >> 4 | second & !15));
    low.extend(first.iter().zip(second).map(|(first, second)| first & 15 | second << 4));
    [worth, off, off_high]
}

/// Where the rows of a range lie in a plane.
pub(crate) fn plane_range(rows: Range<usize>, dim: usize) -> Range<usize> {
    rows.start * plane_len(dim)..rows.end * plane_len(dim)
}
