//! Rows by id, copied into one matrix.

use crate::{
    error::{Error, Result},
    parallel::in_parts,
    prefetch::prefetch,
};

/// Rows asked for ahead of the one that is copied.
const AHEAD: usize = 3;
/// Bytes that are worth a thread of their own.
const PART: usize = 1 << 20;

/// Copies row `ids[i]` of `matrix` to row `i` of `out`; an id of -1 gives zeros, any other id without a row is an error.
pub(crate) fn gather(matrix: &[f32], dim: usize, ids: &[i64], out: &mut [f32]) -> Result<()> {
    let rows = matrix.len() / dim;
    if out.len() != ids.len() * dim {
        return Err(Error::Argument(format!(
            "out has {} numbers, {} rows of {dim} need {}",
            out.len(),
            ids.len(),
            ids.len() * dim
        )));
    }
    in_parts(ids, out, dim, PART.div_ceil(dim * 4), |start, ids, out| {
        for (i, (&id, row)) in ids.iter().zip(out.chunks_exact_mut(dim)).enumerate() {
            if let Some(&next) = ids.get(i + AHEAD) {
                prefetch_row(matrix, dim, next);
            }
            match usize::try_from(id) {
                Ok(id) if id < rows => row.copy_from_slice(&matrix[id * dim..][..dim]),
                _ if id == -1 => row.fill(0.0),
                _ => {
                    return Err(Error::NoSuchRow { id, position: start + i, rows });
                }
            }
        }
        Ok(())
    })
}

#[inline(always)]
fn prefetch_row(matrix: &[f32], dim: usize, id: i64) {
    let bytes: &[u8] = bytemuck::cast_slice(matrix);
    let start = (id as usize).wrapping_mul(dim * 4);
    for line in (0..dim * 4).step_by(64) {
        prefetch(bytes, start.wrapping_add(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_arrive_in_the_order_asked_and_minus_one_is_zeros() {
        let (rows, dim) = (3_000, 7);
        let matrix: Vec<f32> = (0..rows * dim).map(|i| i as f32).collect();
        let ids: Vec<i64> = (0..100_000).map(|i| (i * 37) % (rows as i64 + 1) - 1).collect();
        let mut out = vec![f32::NAN; ids.len() * dim];
        gather(&matrix, dim, &ids, &mut out).expect("all ids have rows");
        for (id, row) in ids.iter().zip(out.chunks(dim)) {
            match usize::try_from(*id) {
                Ok(id) => assert_eq!(row, &matrix[id * dim..][..dim]),
                Err(_) => assert!(row.iter().all(|x| *x == 0.0)),
            }
        }
    }

    #[test]
    fn an_id_without_a_row_is_named() {
        let mut out = [0.0; 4];
        let error = gather(&[1.0, 2.0], 2, &[0, 1], &mut out).expect_err("there is one row");
        assert_eq!(error.to_string(), "id 1 at position 1 is not a row: there are 1");
        assert!(gather(&[1.0, 2.0], 2, &[0, -2], &mut out).is_err());
        assert!(gather(&[1.0, 2.0], 2, &[0], &mut out).is_err());
    }
}
