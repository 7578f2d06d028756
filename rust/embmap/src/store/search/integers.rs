//! Comparison by 8-bit integers: for several queries, whose products with a row then cost less than reading it.

use std::ops::Range;

use super::{
    codes::{Block, Source},
    passes::{FIRST_ROWS, Scored, Scorer},
    tile::{GROUP, Group, Hit, PerQuery, multiply},
};
/// What float32 may be off by when it multiplies and adds up integers, worths and bounds, several times over.
const ROUNDING: f32 = 16.0 * f32::EPSILON;

/// Comparison by 8-bit integers.
pub(crate) struct Integers<'a> {
    source: Source<'a>,
    groups: Vec<Group>,
    /// What the length of a query's own codes can multiply a row's bound by: 1 + the largest of the queries' bounds.
    stretch: f32,
}

impl<'a> Integers<'a> {
    pub(crate) fn new(source: Source<'a>, queries: &[f32]) -> Integers<'a> {
        let dim = source.rows.dim();
        let groups: Vec<Group> = queries.chunks(GROUP * dim).map(|queries| Group::new(queries, dim)).collect();
        let largest = groups.iter().flat_map(|group| (0..GROUP).map(|i| group.off(i))).fold(0.0, f32::max);
        Integers { source, groups, stretch: (1.0 + largest).next_up() }
    }
}

impl Scorer for Integers<'_> {
    // Their codes and those of a group of queries lie in the nearest cache.
    const BLOCK_ROWS: usize = FIRST_ROWS;
    type Room = (Block, Vec<Hit>);

    fn room(&self) -> Self::Room {
        (self.source.block(Self::BLOCK_ROWS), Vec::new())
    }

    fn off(&self, query: usize) -> f32 {
        self.groups[query / GROUP].off(query % GROUP) + ROUNDING
    }

    fn score(&self, places: Range<usize>, bars: &[PerQuery<f32>], room: &mut Self::Room, scored: &mut Vec<Scored>) {
        let (block, hits) = room;
        self.source.fill(places.clone(), block);
        for [_, off] in &mut block.bounds {
            *off *= self.stretch;
        }
        let mut ahead = self.source.ahead(places.end);
        for (i, (group, bars)) in self.groups.iter().zip(bars).enumerate() {
            multiply(self.source.kernel, block.codes(), group, bars, ahead, hits);
            ahead.bytes_a_row = 0;
            scored.extend(hits.drain(..).map(|hit| Scored {
                query: (i * GROUP) as u32 + hit.query,
                id: self.source.candidates.id(places.start + hit.row as usize) as u32,
                score: hit.score,
                off: block.bounds[hit.row as usize][1],
            }));
        }
    }
}
