//! 3CosMul (Levy and Goldberg, 2014): rows near some queries and far from others, by the product of the cosines with the ones over
//! that of those with the others. Compared by 8-bit integers, whose bounds are multiplied and divided as the cosines are.

use std::ops::Range;

use super::{
    codes::{Block, Source},
    exact::{EPSILON, Exact},
    passes::{FIRST_ROWS, Scored, Scorer},
    quantize::ROUNDING,
    tile::{Found, GROUP, Group, PerQuery, multiply},
};
use crate::sys::simd::{Isa, Kernel};

/// What the products and quotients of bounds may be off by in float32, several times over.
const SLACK: f32 = 1e-5;

/// Questions, each of as many queries to be near to as any other, and to be far from.
pub(crate) struct Quotients<'a> {
    source: Source<'a>,
    questions: &'a [f32],
    /// Queries of a question, and how many of them, the first, to be near to.
    each: usize,
    toward: usize,
    /// For each [`GROUP`] of questions, their first queries, their second ones, and so on.
    groups: Vec<Vec<Group>>,
    stretch: f32,
}

impl<'a> Quotients<'a> {
    pub(crate) fn new(source: Source<'a>, questions: &'a [f32], each: usize, toward: usize) -> Quotients<'a> {
        let dim = source.rows.dim();
        let group = |questions: &[f32], i: usize| {
            let queries = questions.chunks_exact(each * dim).flat_map(|question| &question[i * dim..][..dim]);
            Group::new(&queries.copied().collect::<Vec<f32>>(), dim)
        };
        let groups: Vec<Vec<Group>> =
            questions.chunks(GROUP * each * dim).map(|some| (0..each).map(|i| group(some, i)).collect()).collect();
        let offs = groups.iter().flatten().flat_map(|group| group.offs().as_flattened());
        let stretch = (1.0 + offs.copied().fold(0.0, f32::max)).next_up();
        Quotients { source, questions, each, toward, groups, stretch }
    }
}

/// A thread's block, and the cosines of its rows with each query of a group of questions.
pub(crate) struct Room {
    block: Block,
    cosines: Vec<Found>,
}

impl Scorer for Quotients<'_> {
    const BLOCK_ROWS: usize = FIRST_ROWS;
    type Room = Room;

    fn room(&self) -> Room {
        Room { block: self.source.block(Self::BLOCK_ROWS), cosines: (0..self.each).map(|_| Found::default()).collect() }
    }

    fn queries(&self) -> usize {
        self.questions.len() / (self.each * self.source.rows.dim())
    }

    fn exact(&self, query: usize) -> Exact<'_> {
        let length = self.each * self.source.rows.dim();
        Exact::quotient(self.source.rows, &self.questions[query * length..][..length], self.toward)
    }

    fn off(&self, _: usize) -> f32 {
        0.0
    }

    fn score(&self, places: Range<usize>, bars: &[PerQuery<f32>], room: &mut Room, scored: &mut Vec<Scored>) {
        let Room { block, cosines } = room;
        self.source.fill(places.clone(), block);
        let mut ahead = self.source.ahead(places.end);
        for (i, (groups, bars)) in self.groups.iter().zip(bars).enumerate() {
            for (group, cosines) in groups.iter().zip(&mut *cosines) {
                multiply(self.source.kernel, block.codes(), group, None, ahead, cosines);
                ahead.bytes_a_row = 0;
            }
            let all = Bounded { groups, cosines, toward: self.toward, bars };
            for (row, &[_, off]) in block.bounds.iter().enumerate() {
                all.hits(self.source.kernel, row, off * self.stretch + ROUNDING, |query, low, high| {
                    let id = self.source.candidates.id(places.start + row) as u32;
                    let query = (i * GROUP + query) as u32;
                    // Half way and half of the difference may round so that their sum is less.
                    scored.push(Scored {
                        query,
                        id,
                        score: (low + high) / 2.0,
                        off: (high - low) / 2.0 + high * SLACK,
                    });
                });
            }
        }
    }
}

/// A group's cosines with the rows of a block.
struct Bounded<'a> {
    groups: &'a [Group],
    cosines: &'a [Found],
    toward: usize,
    bars: &'a PerQuery<f32>,
}

impl Bounded<'_> {
    /// Calls `hit` with each question of which a row may reach what it asks for, and what the row's quotient is between. `off` is
    /// what the cosines may be off by besides what the queries' codes leave out.
    #[allow(unsafe_code)]
    fn hits(&self, kernel: Kernel, row: usize, off: f32, hit: impl FnMut(usize, f32, f32)) {
        #[cfg(target_arch = "x86_64")]
        if kernel.isa() >= Isa::Avx512 {
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
            return unsafe { self.hits_avx512(row, off, hit) };
        }
        self.hits_generic(row, off, hit);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn hits_avx512(&self, row: usize, off: f32, hit: impl FnMut(usize, f32, f32)) {
        self.hits_generic(row, off, hit);
    }

    #[inline(always)]
    fn hits_generic(&self, row: usize, off: f32, mut hit: impl FnMut(usize, f32, f32)) {
        let (toward, away) = self.groups.split_at(self.toward);
        let (cosines_toward, cosines_away) = self.cosines.split_at(self.toward);
        for (vector, bars) in self.bars.iter().enumerate().take(self.groups[0].width()) {
            // The largest numerators, and the least denominators.
            let (mut highest, mut lowest) = ([1f32; 16], [1f32; 16]);
            for (group, cosines) in toward.iter().zip(cosines_toward) {
                let (offs, cosines) = (&group.offs()[vector], &cosines.scores[row][vector]);
                for ((highest, cosine), of_query) in highest.iter_mut().zip(cosines).zip(offs) {
                    *highest *= most(cosine + (off + of_query));
                }
            }
            for (group, cosines) in away.iter().zip(cosines_away) {
                let (offs, cosines) = (&group.offs()[vector], &cosines.scores[row][vector]);
                for ((lowest, cosine), of_query) in lowest.iter_mut().zip(cosines).zip(offs) {
                    *lowest *= least(cosine - (off + of_query));
                }
            }
            let mut is_any = false;
            for ((highest, lowest), bar) in highest.iter_mut().zip(&lowest).zip(bars) {
                *highest = *highest / (lowest + EPSILON as f32) * (1.0 + SLACK);
                is_any |= *highest >= *bar;
            }
            // Most rows have none.
            if !is_any {
                continue;
            }
            for lane in (0..16).filter(|&lane| highest[lane] >= bars[lane]) {
                let cosine = |group: &Group, cosines: &Found| {
                    (cosines.scores[row][vector][lane], off + group.offs()[vector][lane])
                };
                let parts = toward.iter().zip(cosines_toward).map(|(group, cosines)| cosine(group, cosines));
                let numerator: f32 = parts.map(|(cosine, off)| least(cosine - off)).product();
                let parts = away.iter().zip(cosines_away).map(|(group, cosines)| cosine(group, cosines));
                let denominator: f32 = parts.map(|(cosine, off)| most(cosine + off)).product();
                hit(vector * 16 + lane, numerator / (denominator + EPSILON as f32) * (1.0 - SLACK), highest[lane]);
            }
        }
    }
}

/// A cosine that may be as large as that, moved to 0..1.
#[inline(always)]
fn most(cosine: f32) -> f32 {
    let moved = (1.0 + cosine) / 2.0;
    if moved < 1.0 { moved } else { 1.0 }
}

/// A cosine that may be as small as that, moved to 0..1.
#[inline(always)]
fn least(cosine: f32) -> f32 {
    let moved = (1.0 + cosine) / 2.0;
    if moved > 0.0 { moved } else { 0.0 }
}
