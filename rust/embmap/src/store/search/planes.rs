//! Comparison by the planes of the screening copy, for a query or a few: by the upper halves of all rows' codes, and by the lower ones
//! of those that are left.

use std::ops::Range;

use super::{
    codes::Source,
    exact::Exact,
    nibbles::NibbleQuery,
    passes::{Scored, Scorer, reaching},
    quantize::{ROUNDING, SIGN, encode},
    screen::{Planes, TWICE_MIDDLE, plane_range},
    tile::PerQuery,
};
use crate::sys::prefetch::prefetch;

/// Numbers beyond which the sums of products may not fit: 32 × 15 × 127 × dim < 2³¹.
pub(crate) const WIDEST: usize = 1 << 15;

/// Queries, one after the other.
pub(crate) struct PlaneSearch<'a> {
    source: Source<'a>,
    planes: Planes<'a>,
    queries: Vec<Query<'a>>,
}

struct Query<'a> {
    numbers: &'a [f32],
    codes: NibbleQuery,
    /// Of the codes.
    sum: i32,
    worth: f32,
    off: f32,
}

impl<'a> PlaneSearch<'a> {
    /// Of queries none of which is zeros.
    pub(crate) fn new(source: Source<'a>, planes: Planes<'a>, queries: &'a [f32]) -> PlaneSearch<'a> {
        let query = |numbers: &'a [f32]| {
            let mut codes = Vec::with_capacity(numbers.len());
            let [worth, off] = encode(numbers, &mut codes);
            let codes: &[i8] = bytemuck::cast_slice(&codes);
            Query {
                numbers,
                codes: NibbleQuery::new(codes),
                sum: codes.iter().map(|&code| i32::from(code)).sum(),
                worth,
                off,
            }
        };
        PlaneSearch { source, planes, queries: queries.chunks_exact(source.rows.dim()).map(query).collect() }
    }
}

/// A thread's products, and the rows that the upper halves have left.
pub(crate) struct Room {
    products: Vec<i32>,
    highest: Vec<f32>,
    left: Vec<usize>,
}

impl Scorer for PlaneSearch<'_> {
    type Room = Room;
    // So many that the lower halves of those that are left come from memory together.
    const BLOCK_ROWS: usize = 1536;

    fn room(&self) -> Room {
        Room {
            products: vec![0; Self::BLOCK_ROWS],
            highest: vec![0.0; Self::BLOCK_ROWS],
            left: Vec::with_capacity(Self::BLOCK_ROWS),
        }
    }

    fn queries(&self) -> usize {
        self.queries.len()
    }

    fn exact(&self, query: usize) -> Exact<'_> {
        Exact::cosine(self.source.rows, self.queries[query].numbers)
    }

    fn off(&self, query: usize) -> f32 {
        self.queries[query].off + ROUNDING
    }

    fn score(&self, places: Range<usize>, bars: &[PerQuery<f32>], room: &mut Room, scored: &mut Vec<Scored>) {
        let (dim, kernel) = (self.source.rows.dim(), self.source.kernel);
        let [worths, _, offs] = self.planes.bounds.map(|part| &part[places.clone()]);
        let products = &mut room.products[..places.len()];
        for (i, (query, &bar)) in self.queries.iter().zip(bars.as_flattened().as_flattened()).enumerate() {
            query.codes.multiply(kernel, &self.planes.high[plane_range(places.clone(), dim)], products);
            let stretch = (1.0 + query.off).next_up();
            let (half_worth, middle) = (query.worth / 2.0, TWICE_MIDDLE * query.sum);
            room.left.clear();
            let highest = &mut room.highest[..places.len()];
            for (((high, &product), &worth), &off) in highest.iter_mut().zip(&*products).zip(worths).zip(offs) {
                *high = (2 * product - middle) as f32 * half_worth * worth + off * stretch;
            }
            reaching(highest, bar, |place| {
                room.left.push(place);
                let low = plane_range(places.start + place..places.start + place + 1, dim);
                low.step_by(64).for_each(|at| prefetch(self.planes.low, at));
            });
            for &place in &room.left {
                let id = places.start + place;
                let mut low = [0];
                query.codes.multiply(kernel, Planes::row(self.planes.low, id, dim), &mut low);
                let [worth, off, _] = self.planes.bound(id);
                let product = products[place] + low[0] / 16 - i32::from(SIGN) * query.sum;
                let (score, off) = (product as f32 * query.worth * worth, off * stretch);
                if score + off >= bar {
                    scored.push(Scored { query: i as u32, id: id as u32, score, off });
                }
            }
        }
    }
}
