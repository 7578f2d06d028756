//! One vector for several rows: their sum or mean, without the rows between.

use crate::{
    error::{Error, Result},
    store::gather::Rows,
    sys::threads::in_parts,
};

/// Rows that are worth a thread of their own.
const ROWS_PER_THREAD: usize = 2048;

/// What a vector is made of: a run of ids.
#[derive(Debug, Clone, Copy)]
struct Text {
    start: usize,
    end: usize,
}

/// How rows become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Added up.
    Sum,
    /// Added up and divided by the sum of their weights, where that is not 0.
    Mean,
}

impl Rows<'_> {
    /// Fills row `i` of `out` with the rows of the next `lengths[i]` of `ids`, each times its weight, or 1. Ids of -1 are
    /// passed over; nothing but those gives zeros.
    pub fn pool(
        &self,
        ids: &[i64],
        lengths: &[usize],
        weights: Option<&[f32]>,
        pooling: Pooling,
        out: &mut [f32],
    ) -> Result<()> {
        let dim = self.dim();
        let mut end = 0;
        let texts: Vec<Text> = lengths
            .iter()
            .map(|length| {
                let start = end;
                end += length;
                Text { start, end }
            })
            .collect();
        let weighed = weights.map_or(ids.len(), <[f32]>::len);
        for (name, expected, found) in
            [("ids", end, ids.len()), ("weights", ids.len(), weighed), ("out", texts.len() * dim, out.len())]
        {
            if found != expected {
                return Err(Error::Length { name, expected, found });
            }
        }
        let least = ROWS_PER_THREAD / (ids.len() / texts.len().max(1)).max(1);
        in_parts(&texts, out, dim, least.max(1), |_, texts, out| {
            let mut values = vec![0.0; dim];
            for (text, sum) in texts.iter().zip(out.chunks_exact_mut(dim)) {
                sum.fill(0.0);
                let mut total = 0f32;
                for position in text.start..text.end {
                    let weight = weights.map_or(1.0, |weights| weights[position]);
                    let row = match usize::try_from(ids[position]) {
                        Ok(id) if id < self.len() => self.values(id, &mut values),
                        _ if ids[position] == -1 => continue,
                        _ => return Err(Error::NoSuchRow { id: ids[position], position, rows: self.len() }),
                    };
                    total += weight;
                    for (sum, x) in sum.iter_mut().zip(row) {
                        *sum += weight * x;
                    }
                }
                if pooling == Pooling::Mean && total != 0.0 {
                    sum.iter_mut().for_each(|x| *x /= total);
                }
            }
            Ok(())
        })
    }

    /// Row `i` as it is in the file, or converted into `values`.
    #[inline(always)]
    pub(crate) fn values<'v>(&'v self, i: usize, values: &'v mut [f32]) -> &'v [f32] {
        match self.float32() {
            Some(all) => &all[i * self.dim()..][..self.dim()],
            None => {
                self.decode(i, values);
                values
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Dtype;

    #[test]
    fn rows_are_added_as_their_weights_say() {
        let matrix = [1.0f32, 2.0, 10.0, 20.0, 100.0, 200.0];
        for dtype in [Dtype::Float32, Dtype::Float16] {
            let (mut stored, mut scales) = (Vec::new(), Vec::new());
            dtype.encode(&matrix, 2, &mut stored, &mut scales);
            let rows = Rows { dtype, dim: 2, stored: &stored, scales: &scales };
            let mut out = [f32::NAN; 8];
            let (ids, lengths) = ([0, 1, -1, 2, 2, -1], [3, 2, 1, 0]);
            rows.pool(&ids, &lengths, None, Pooling::Sum, &mut out).expect("rows");
            assert_eq!(out, [11.0, 22.0, 200.0, 400.0, 0.0, 0.0, 0.0, 0.0]);
            rows.pool(&ids, &lengths, None, Pooling::Mean, &mut out).expect("rows");
            assert_eq!(out, [5.5, 11.0, 100.0, 200.0, 0.0, 0.0, 0.0, 0.0]);
            let weights = [3.0, 1.0, 9.0, 0.0, 0.0, 1.0];
            rows.pool(&ids, &lengths, Some(&weights), Pooling::Mean, &mut out).expect("rows");
            assert_eq!(out, [3.25, 6.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
            assert!(rows.pool(&[3], &[1], None, Pooling::Sum, &mut out[..2]).is_err());
            assert!(rows.pool(&[0], &[2], None, Pooling::Sum, &mut out[..2]).is_err());
        }
    }
}
