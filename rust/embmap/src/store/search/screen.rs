//! Scalar quantization to int8 with a bound of the error of each row, before the exact comparison: which rows cannot be among the
//! nearest is told from a byte for each number, and the matrix is read for the others only.
//!
//! A row of unit length is `scale × codes + rest`, where the length of `rest` is kept, rounded up. The cosine with a query of
//! unit length is `scale × (query · codes)`, give or take that length, by the inequality of Cauchy and Schwarz.

use super::dot::gemv;
use crate::dtype::Dtype;

/// Rows compared at a time.
const BLOCK_ROWS: usize = 256;
/// Rows that may have been among the nearest when they were seen: from so many on they are looked through again.
const MANY_ROWS: usize = 1 << 14;

/// `scale`, and the length of the rest: how large the error of a cosine can be.
pub(crate) type Bound = [f32; 2];

/// The copy of all rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen<'a> {
    pub codes: &'a [i8],
    pub bounds: &'a [Bound],
}

/// What screening a part of the rows leaves.
pub(crate) struct Screened {
    /// The largest of the least cosines that rows can have, largest first.
    least: Vec<f32>,
    /// The largest cosine that a row can have, and the row.
    rows: Vec<(f32, u32)>,
}

impl Screen<'_> {
    /// Whether the `k` best of so many rows are worth screening for.
    pub(crate) fn is_worth(k: usize, rows: usize) -> bool {
        k > 0 && k <= rows / 64
    }

    /// Those rows of a range that may be among the `k` nearest of it to a query of unit length.
    pub(crate) fn part(&self, query: &[f32], k: usize, rows: std::ops::Range<usize>) -> Screened {
        let dim = query.len();
        // What summing in float32, in whatever order, can be off by, for a query and rows of length 1, twice over.
        let margin = (dim + 8) as f32 * 2.0 * f32::EPSILON;
        let mut found = Screened { least: Vec::with_capacity(k + 1), rows: Vec::new() };
        let mut room = MANY_ROWS;
        let (mut scores, mut highest) = ([0f32; BLOCK_ROWS], [0f32; BLOCK_ROWS]);
        for start in rows.clone().step_by(BLOCK_ROWS) {
            let here = start..(start + BLOCK_ROWS).min(rows.end);
            let bounds = &self.bounds[here.clone()];
            gemv(query, &self.codes[here.start * dim..here.end * dim], &mut scores[..here.len()]);
            for ((high, score), [scale, error]) in highest.iter_mut().zip(&mut scores).zip(bounds) {
                *score *= scale;
                *high = *score + (error + margin);
            }
            let mut least = found.kth(k);
            for (i, some) in highest[..here.len()].chunks(16).enumerate() {
                // Most have none.
                if some.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) < least {
                    continue;
                }
                for (j, &high) in some.iter().enumerate().filter(|(_, high)| **high >= least) {
                    let at = 16 * i + j;
                    found.rows.push((high, (start + at) as u32));
                    found.enter(scores[at] - (bounds[at][1] + margin), k);
                }
                least = found.kth(k);
            }
            if found.rows.len() > room {
                found.rows.retain(|(high, _)| *high >= least);
                room = MANY_ROWS.max(found.rows.len() * 2);
            }
        }
        found
    }
}

impl Screened {
    /// What a row must be able to reach.
    fn kth(&self, k: usize) -> f32 {
        if self.least.len() < k { f32::NEG_INFINITY } else { self.least[k - 1] }
    }

    fn enter(&mut self, low: f32, k: usize) {
        if low > self.kth(k) || self.least.len() < k {
            let place = self.least.partition_point(|&other| other >= low);
            self.least.insert(place, low);
            self.least.truncate(k);
        }
    }

    /// The rows of all parts that may be among the `k` nearest.
    pub(crate) fn join(parts: Vec<Screened>, k: usize) -> Vec<u32> {
        let mut least: Vec<f32> = parts.iter().flat_map(|part| &part.least).copied().collect();
        least.sort_by(|a, b| b.total_cmp(a));
        let least = least.get(k - 1).copied().unwrap_or(f32::NEG_INFINITY);
        let rows = parts.into_iter().flat_map(|part| part.rows);
        rows.filter(|(high, _)| *high >= least).map(|(_, id)| id).collect()
    }
}

/// The code of a row, and its bound.
pub(crate) fn encode(row: &[f32], codes: &mut Vec<u8>) -> Bound {
    let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let (start, mut scale) = (codes.len(), Vec::new());
    Dtype::Int8.encode(row, row.len(), codes, &mut scale);
    if square == 0.0 {
        return [0.0; 2];
    }
    let length = square.sqrt();
    let unit = (f64::from(scale[0]) / length) as f32;
    let rest: f64 = row
        .iter()
        .zip(&codes[start..])
        .map(|(&x, &code)| (f64::from(x) / length - f64::from(unit) * f64::from(code as i8)).powi(2))
        .sum();
    // Up, past what float64 may have lost.
    [unit, ((rest.sqrt() * (1.0 + 1e-9)) as f32).next_up()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_cosine_is_outside_its_bounds(
            rows in proptest::collection::vec(proptest::collection::vec(-1e3f32..1e3, 5), 1..40),
            query in proptest::collection::vec(-1f32..1.0, 5),
        ) {
            let length = query.iter().map(|x| x * x).sum::<f32>().sqrt();
            prop_assume!(length > 1e-3);
            let query: Vec<f32> = query.iter().map(|x| x / length).collect();
            let (mut codes, mut bounds) = (Vec::new(), Vec::new());
            for row in &rows {
                bounds.push(encode(row, &mut codes));
            }
            let screen = Screen { codes: bytemuck::cast_slice(&codes), bounds: &bounds };
            for k in 1..4 {
                let kept = Screened::join(vec![screen.part(&query, k, 0..rows.len())], k);
                let cosine = |row: &Vec<f32>| {
                    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
                    let lengths = (dot(row, row) * dot(&query, &query)).sqrt();
                    if lengths > 0.0 { dot(row, &query) / lengths } else { 0.0 }
                };
                let mut best: Vec<usize> = (0..rows.len()).collect();
                best.sort_by(|&a, &b| cosine(&rows[b]).total_cmp(&cosine(&rows[a])));
                for id in best.into_iter().take(k) {
                    prop_assert!(kept.contains(&(id as u32)), "row {id} of {k}");
                }
            }
        }
    }
}
