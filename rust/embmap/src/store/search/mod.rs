//! The rows nearest to queries by cosine, exactly: every row is read, block by block, and compared with all queries at once.
//!
//! What is compared is cheap and has a proven bound: 8-bit integers ([`integers`]), or for a few queries the halves of the screening
//! copy ([`planes`]) or float32 ([`floats`]). A row that by its bound may be among the nearest is a candidate ([`candidates`]); the
//! others are out. Candidates are compared anew in
//! float64 ([`exact`]), so that rows, order and cosines are those of a calculation in float64, ties included.

// Other processors have the portable kernels, which need no rows ahead and choose nothing.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports, unused_variables))]

mod candidates;
mod codes;
mod exact;
mod floats;
mod integers;
mod nibbles;
mod passes;
mod planes;
pub(crate) mod quantize;
mod quotients;
pub(crate) mod screen;
mod tile;

use std::cmp::Ordering;

use self::{
    candidates::Candidates, codes::Source, exact::Exact, floats::Floats, integers::Integers, passes::pass,
    planes::PlaneSearch, quotients::Quotients, screen::Screen,
};
use crate::{
    error::{Error, Result},
    store::{Store, selection::RowSelection},
    sys::{simd::Kernel, threads::in_blocks},
};

/// Queries compared in one pass over the rows, at most: their codes lie in a near cache.
const PASS_QUERIES: usize = 1024;
/// Rows that the queries of a pass may have in doubt, all together, on each thread.
const PASS_DOUBTS: usize = 4 << 20;
/// From so many queries on, tiles of integers are faster than one query after the other in float32, or by planes.
const INTEGER_QUERIES: usize = 3;
const INTEGER_QUERIES_OF_PLANES: usize = 5;

/// Queries that a thread compares with candidates of their own at a time.
const AMONG_QUERIES: usize = 8;

/// A row and its cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// The row.
    pub id: u32,
    /// Its cosine with the query, 0 where one of them is zeros.
    pub cosine: f64,
}

/// Best first; in a tie, lower ids first.
fn order(a: &Neighbor, b: &Neighbor) -> Ordering {
    b.cosine.total_cmp(&a.cosine).then(a.id.cmp(&b.id))
}

impl<D: AsRef<[u8]> + Sync> Store<D> {
    /// The `k` candidates, which rise, nearest to each of `queries`, `dim` finite numbers each, best first; fewer where there are
    /// fewer candidates. `go_on` is asked several times a second.
    pub fn nearest(
        &self,
        queries: &[f32],
        k: usize,
        candidates: RowSelection,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Vec<Vec<Neighbor>>> {
        search(self.source(queries, 1, candidates)?, queries, k.min(candidates.len()), &mut go_on)
    }

    /// The `k` candidates, which rise, best by 3CosMul for each of `questions`, best first: `each` queries of `dim` finite numbers,
    /// the first `toward` of them to be near to, the others to be far from. What a [`Neighbor`] has as cosine is the product of the
    /// cosines with the ones over that of those with the others, plus 10⁻⁶, all moved to 0..1: equation 4 of Levy and Goldberg, 2014.
    /// `go_on` is asked several times a second.
    pub fn nearest_quotients(
        &self,
        questions: &[f32],
        each: usize,
        toward: usize,
        k: usize,
        candidates: RowSelection,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Vec<Vec<Neighbor>>> {
        if !(1..=each).contains(&toward) {
            return Err(Error::OutOfRange { name: "toward", least: 1, most: each as u64, found: toward as u64 });
        }
        if self.dim() > tile::WIDEST {
            let most = tile::WIDEST as u64;
            return Err(Error::OutOfRange { name: "dim", least: 1, most, found: self.dim() as u64 });
        }
        let source = self.source(questions, each, candidates)?;
        search_quotients(source, questions, [each, toward], k.min(candidates.len()), &mut go_on)
    }

    /// Of candidates of its own, `candidates.len() / queries` each, the `k` nearest to each of `queries`, best first: what an
    /// approximate index has found, in the order of the exact cosines. A candidate that is there twice counts twice, one of -1 not at
    /// all.
    pub fn nearest_among(&self, queries: &[f32], candidates: &[i64], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        let (rows, dim) = (self.rows(), self.dim());
        let n = queries.len() / dim;
        let each = candidates.len().checked_div(n).unwrap_or(0);
        self.check_whole(queries, 1)?;
        if candidates.len() != n * each {
            return Err(Error::Length { name: "candidates", expected: n * each, found: candidates.len() });
        }
        if let Some(position) = candidates.iter().position(|&id| id < -1 || id >= rows.len() as i64) {
            return Err(Error::NoSuchRow { id: candidates[position], position, rows: rows.len() });
        }
        let queries: Vec<&[f32]> = queries.chunks_exact(dim).collect();
        let mut found = vec![Vec::new(); n];
        let places: Vec<usize> = (0..n).collect();
        in_blocks(&places, &mut found, 1, AMONG_QUERIES, |places, found| {
            for (&place, found) in places.iter().zip(found) {
                let mut exact = Exact::cosine(rows, queries[place]);
                let mut ids: Vec<u32> =
                    candidates[place * each..][..each].iter().filter_map(|&id| u32::try_from(id).ok()).collect();
                exact.scores(&mut ids, found);
                found.sort_unstable_by(order);
                found.truncate(k);
            }
        });
        Ok(found)
    }

    fn check_whole(&self, queries: &[f32], each: usize) -> Result<()> {
        let whole = queries.len().next_multiple_of(each * self.dim());
        if whole == queries.len() {
            return Ok(());
        }
        Err(Error::Length { name: "queries", expected: whole, found: queries.len() })
    }

    /// The candidates, where they are rows and the queries whole.
    fn source<'a>(&'a self, queries: &[f32], each: usize, candidates: RowSelection<'a>) -> Result<Source<'a>> {
        self.check_whole(queries, each)?;
        let last = match candidates {
            RowSelection::First(rows) => rows,
            RowSelection::Only(ids) => ids.last().map_or(0, |&id| id as usize + 1),
        };
        if last > self.len() || matches!(candidates, RowSelection::Only(ids) if !ids.is_sorted()) {
            return Err(Error::Argument("the candidates are not rows, rising".into()));
        }
        let (rows, inverse_norms) = (self.rows(), self.inverse_norms());
        Ok(Source { rows, inverse_norms, screen: self.screen(), candidates, kernel: Kernel::detect() })
    }
}

/// Queries whose `k` nearest are sought in one pass.
fn queries_a_pass(k: usize) -> usize {
    (PASS_DOUBTS / Candidates::most(k)).clamp(1, PASS_QUERIES)
}

/// The `k` best rows of `source` for each of `questions` of `each` queries, the first so many of which to be near to.
fn search_quotients(
    source: Source,
    questions: &[f32],
    [each, toward]: [usize; 2],
    k: usize,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Vec<Neighbor>>> {
    let length = each * source.rows.dim();
    if k == 0 {
        return Ok(vec![Vec::new(); questions.len() / length]);
    }
    let most = queries_a_pass(k);
    let mut found = Vec::with_capacity(questions.len() / length);
    for questions in questions.chunks(most * length) {
        found.extend(pass(source, k, &Quotients::new(source, questions, each, toward), go_on)?);
    }
    Ok(found)
}

/// The `k` rows of `source` nearest to each of `queries`.
fn search(source: Source, queries: &[f32], k: usize, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<Vec<Neighbor>>> {
    let dim = source.rows.dim();
    let mut found: Vec<Vec<Neighbor>> = queries.chunks_exact(dim).map(|_| Vec::new()).collect();
    let (mut asked, mut places) = (Vec::new(), Vec::new());
    for (i, query) in queries.chunks_exact(dim).enumerate() {
        if k == 0 || query.iter().all(|x| *x == 0.0) {
            // The cosine of every row with zeros is 0, and lower ids come first.
            found[i] = (0..k).map(|i| Neighbor { id: source.candidates.id(i) as u32, cosine: 0.0 }).collect();
        } else {
            asked.extend_from_slice(query);
            places.push(i);
        }
    }
    let most = queries_a_pass(k);
    for (queries, places) in asked.chunks(most * dim).zip(places.chunks(most)) {
        let fast = tile::is_fast(source.kernel);
        let nearest = match (source.screen, source.candidates) {
            (Some(Screen::Planes(planes)), RowSelection::First(_))
                if fast && dim <= planes::WIDEST && places.len() < INTEGER_QUERIES_OF_PLANES =>
            {
                pass(source, k, &PlaneSearch::new(source, planes, queries), go_on)?
            }
            _ if fast && dim <= tile::WIDEST && places.len() >= INTEGER_QUERIES => {
                pass(source, k, &Integers::new(source, queries), go_on)?
            }
            _ => pass(source, k, &Floats::new(source, queries), go_on)?,
        };
        for (&place, nearest) in places.iter().zip(nearest) {
            found[place] = nearest;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        exact::Exact,
        quantize::{Bound, encode},
        screen::{PlaneBound, Planes, encode_planes},
        *,
    };
    use crate::{dtype::Dtype, store::gather::Rows};

    /// Rows in a type, with what a store has besides.
    struct Table {
        dtype: Dtype,
        dim: usize,
        stored: Vec<u8>,
        scales: Vec<f32>,
        inverse_norms: Vec<f32>,
        codes: Vec<u8>,
        bounds: Vec<Bound>,
        planes: [Vec<u8>; 2],
        plane_bounds: Vec<PlaneBound>,
    }

    impl Table {
        fn new(matrix: &[f32], dim: usize, dtype: Dtype) -> Table {
            let (mut stored, mut scales) = (Vec::new(), Vec::new());
            dtype.encode(matrix, dim, &mut stored, &mut scales);
            let mut table = Table {
                dtype,
                dim,
                stored,
                scales,
                inverse_norms: Vec::new(),
                codes: Vec::new(),
                bounds: Vec::new(),
                planes: [Vec::new(), Vec::new()],
                plane_bounds: Vec::new(),
            };
            let mut row = vec![0.0; dim];
            for i in 0..matrix.len() / dim {
                table.rows().decode(i, &mut row);
                table.inverse_norms.push(crate::inverse_norm(&row));
                table.bounds.push(encode(&row, &mut table.codes));
                table.plane_bounds.push(encode_planes(&row, table.planes.each_mut()));
            }
            table
        }

        fn rows(&self) -> Rows<'_> {
            Rows { dtype: self.dtype, dim: self.dim, stored: &self.stored, scales: &self.scales }
        }

        /// What every way of comparison makes of a search.
        fn search(&self, queries: &[f32], k: usize, candidates: RowSelection) -> Vec<(String, Vec<Vec<Neighbor>>)> {
            let screen = Screen::Bytes { codes: bytemuck::cast_slice(&self.codes), bounds: &self.bounds };
            let bounds: [Vec<f32>; 3] =
                std::array::from_fn(|i| self.plane_bounds.iter().map(|bound| bound[i]).collect());
            let planes =
                Planes { high: &self.planes[0], low: &self.planes[1], bounds: bounds.each_ref().map(Vec::as_slice) };
            for id in 0..self.rows().len() {
                let [mut codes, mut of_planes] = [vec![0; self.dim], vec![1; self.dim]];
                assert_eq!(screen.codes(id, &mut codes), Screen::Planes(planes).codes(id, &mut of_planes));
                assert_eq!(codes, of_planes);
            }
            let mut found = Vec::new();
            for kernel in Kernel::available() {
                for screen in [None, Some(screen), Some(Screen::Planes(planes))] {
                    let inverse_norms = &self.inverse_norms;
                    let source = Source { rows: self.rows(), inverse_norms, screen, candidates, kernel };
                    let kind = screen.map(|screen| matches!(screen, Screen::Planes(_)));
                    let name = |how| format!("{how} {kernel:?}, by planes: {kind:?}");
                    if matches!(candidates, RowSelection::First(_)) {
                        let planes = PlaneSearch::new(source, planes, queries);
                        found.push((name("planes"), pass(source, k, &planes, &mut || true).expect("neighbours")));
                    }
                    let floats = Floats::new(source, queries);
                    found.push((name("floats"), pass(source, k, &floats, &mut || true).expect("neighbours")));
                    let integers = Integers::new(source, queries);
                    found.push((name("integers"), pass(source, k, &integers, &mut || true).expect("neighbours")));
                }
            }
            found
        }

        /// The same by comparing everything in float64.
        fn expected(&self, queries: &[f32], k: usize, candidates: RowSelection) -> Vec<Vec<Neighbor>> {
            let nearest = |query| {
                let mut exact = Exact::cosine(self.rows(), query);
                let ids = (0..candidates.len()).map(|place| candidates.id(place) as u32);
                let mut all: Vec<Neighbor> = ids.map(|id| Neighbor { id, cosine: exact.score(id) }).collect();
                all.sort_by(order);
                all.truncate(k);
                all
            };
            queries.chunks(self.dim).map(nearest).collect()
        }
    }

    /// Rows around a few centres, of which some are the same, some zeros, and some of lengths that float32 hardly holds.
    fn clustered(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
        let mut state = seed | 1;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let centres: Vec<f32> = (0..7 * dim).map(|_| random()).collect();
        let mut matrix = Vec::with_capacity(rows * dim);
        for i in 0..rows {
            let kind = (random() * 1000.0) as i32;
            let spread = [0.0, 1e-6, 1e-3, 0.3][kind.unsigned_abs() as usize % 4];
            let length = match kind {
                0..5 => 0.0,
                5..10 => 1e-42,
                10..15 => 1e-30,
                15..20 => 1e30,
                20..25 => 3e37,
                _ => 1.0,
            };
            let centre = &centres[i % 7 * dim..][..dim];
            matrix.extend(centre.iter().map(|x| (x + spread * random()) * length));
        }
        matrix
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_way_finds_what_float64_finds(
            rows in 1usize..700,
            dim in prop::sample::select(vec![1usize, 3, 4, 15, 16, 17, 50, 67]),
            queries in prop::sample::select(vec![1usize, 2, 16, 17, 40, 64, 70]),
            k in prop::sample::select(vec![1usize, 2, 10, 600]),
            dtype in prop::sample::select(Dtype::ALL.to_vec()),
            seed in any::<u64>(),
        ) {
            let mut matrix = clustered(rows, dim, seed);
            if matches!(dtype, Dtype::Float16) {
                matrix.iter_mut().for_each(|x| *x = x.clamp(-6e4, 6e4));
            }
            let table = Table::new(&matrix, dim, dtype);
            let queries: Vec<f32> = clustered(queries, dim, seed ^ 7)
                .chunks(dim)
                .chain(matrix.chunks(dim).take(3))
                .filter(|query| query.iter().any(|x| *x != 0.0))
                .flatten()
                .copied()
                .collect();
            let odd: Vec<u32> = (0..rows as u32).filter(|id| id % 3 == 1).collect();
            for candidates in [RowSelection::First(rows), RowSelection::First(rows.div_ceil(2)), RowSelection::Only(&odd)] {
                let k = k.min(candidates.len());
                if k == 0 || queries.is_empty() {
                    continue;
                }
                let expected = table.expected(&queries, k, candidates);
                for (how, found) in table.search(&queries, k, candidates) {
                    prop_assert_eq!(&found, &expected, "{}, {:?}", how, candidates.len());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn quotients_are_those_of_float64(
            rows in 1usize..500,
            dim in prop::sample::select(vec![1usize, 3, 16, 50]),
            questions in prop::sample::select(vec![1usize, 17, 70]),
            (each, toward) in prop::sample::select(vec![(1usize, 1usize), (3, 2), (4, 1)]),
            k in prop::sample::select(vec![1usize, 8, 600]),
            seed in any::<u64>(),
        ) {
            let table = Table::new(&clustered(rows, dim, seed), dim, Dtype::Float32);
            let questions = clustered(questions * each, dim, seed ^ 7);
            let odd: Vec<u32> = (0..rows as u32).filter(|id| id % 3 == 1).collect();
            for candidates in [RowSelection::First(rows), RowSelection::Only(&odd)] {
                let k = k.min(candidates.len());
                for kernel in Kernel::available() {
                    let (rows, inverse_norms) = (table.rows(), &table.inverse_norms[..]);
                    let source = Source { rows, inverse_norms, screen: None, candidates, kernel };
                    let found = search_quotients(source, &questions, [each, toward], k, &mut || true).expect("rows");
                    for (question, found) in questions.chunks(each * dim).zip(found) {
                        let mut exact = Exact::quotient(rows, question, toward);
                        let ids = (0..candidates.len()).map(|place| candidates.id(place) as u32);
                        let mut all: Vec<Neighbor> = ids.map(|id| Neighbor { id, cosine: exact.score(id) }).collect();
                        all.sort_by(order);
                        all.truncate(k);
                        prop_assert_eq!(found, all, "{:?}", kernel);
                    }
                }
            }
        }
    }

    #[test]
    fn on_several_threads_nothing_is_lost_and_ties_fall_to_the_first() {
        let (rows, dim) = (40_000, 20);
        let table = Table::new(&clustered(rows, dim, 3), dim, Dtype::Float32);
        let queries = clustered(66, dim, 3);
        for k in [1, 10, 5_000] {
            let candidates = RowSelection::First(rows);
            let expected = table.expected(&queries[..2 * dim], k, candidates);
            for (how, found) in table.search(&queries, k, candidates) {
                assert!(found[..2] == expected, "{how}, {k}");
            }
        }
    }

    #[test]
    fn a_search_that_is_told_to_stop_stops() {
        let table = Table::new(&clustered(100_000, 8, 5), 8, Dtype::Float32);
        let (rows, inverse_norms, kernel) = (table.rows(), &table.inverse_norms[..], Kernel::detect());
        let source = Source { rows, inverse_norms, screen: None, candidates: RowSelection::First(100_000), kernel };
        let queries = clustered(5_000, 8, 6);
        let found = search(source, &queries, 100, &mut || false);
        assert!(matches!(found, Err(Error::Cancelled)));
    }
}
