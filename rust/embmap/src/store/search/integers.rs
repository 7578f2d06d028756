//! Comparison by 8-bit integers: for several queries, whose products with a row then cost less than reading it.

use std::ops::Range;

use super::{
    codes::{Block, Source},
    exact::Exact,
    passes::{FIRST_ROWS, Scored, Scorer},
    quantize::ROUNDING,
    tile::{Found, GROUP, Group, PerQuery, multiply},
};

/// Comparison by 8-bit integers.
pub(crate) struct Integers<'a> {
    source: Source<'a>,
    queries: &'a [f32],
    groups: Vec<Group>,
    /// What the length of a query's own codes can multiply a row's bound by: 1 + the largest of the queries' bounds.
    stretch: f32,
}

impl<'a> Integers<'a> {
    pub(crate) fn new(source: Source<'a>, queries: &'a [f32]) -> Integers<'a> {
        let dim = source.rows.dim();
        let groups: Vec<Group> = queries.chunks(GROUP * dim).map(|queries| Group::new(queries, dim)).collect();
        let largest = groups.iter().flat_map(|group| (0..GROUP).map(|i| group.off(i))).fold(0.0, f32::max);
        Integers { source, queries, groups, stretch: (1.0 + largest).next_up() }
    }
}

impl Scorer for Integers<'_> {
    // Their codes and those of a group of queries lie in the nearest cache.
    const BLOCK_ROWS: usize = FIRST_ROWS;
    type Room = (Block, Found);

    fn room(&self) -> Self::Room {
        (self.source.block(Self::BLOCK_ROWS), Found::default())
    }

    fn queries(&self) -> usize {
        self.source.count(self.queries)
    }

    fn exact(&self, query: usize) -> Exact<'_> {
        self.source.exact(self.queries, query)
    }

    fn off(&self, query: usize) -> f32 {
        self.groups[query / GROUP].off(query % GROUP) + ROUNDING
    }

    fn score(&self, places: Range<usize>, bars: &[PerQuery<f32>], room: &mut Self::Room, scored: &mut Vec<Scored>) {
        let (block, found) = room;
        self.source.fill(places.clone(), block);
        for [_, off] in &mut block.bounds {
            *off *= self.stretch;
        }
        let mut ahead = self.source.ahead(places.end);
        for (i, (group, bars)) in self.groups.iter().zip(bars).enumerate() {
            multiply(self.source.kernel, block.codes(), group, Some(bars), ahead, found);
            ahead.bytes_a_row = 0;
            scored.extend(found.hits.drain(..).map(|hit| Scored {
                query: (i * GROUP) as u32 + hit.query,
                id: self.source.candidates.id(places.start + hit.row as usize) as u32,
                score: hit.score,
                off: block.bounds[hit.row as usize][1],
            }));
        }
    }
}
