//! Products of many rows and many queries as 8-bit integers: a tile of rows and queries at a time, whose sums stay in registers until
//! they have been held against what each query asks for.

use super::quantize::{Bound, SIGN, encode};
use crate::sys::{
    prefetch::prefetch_for_later,
    simd::{Isa, Kernel},
};

/// Codes of a row that are multiplied at once.
pub(crate) const STEP: usize = 4;
/// Queries that fill a vector of sums.
const LANES: usize = 16;
/// Vectors of queries in a group, at most.
const WIDTH: usize = 4;
/// Queries that are multiplied together, at most.
pub(crate) const GROUP: usize = LANES * WIDTH;
/// Numbers beyond which the sums of products may not fit: 255 × 127 × dim < 2³¹.
pub(crate) const WIDEST: usize = 1 << 16;

/// A number for each query of a group.
pub(crate) type PerQuery<T> = [[T; LANES]; WIDTH];

/// A row and a query whose cosine may be as large as the query asks for, and the product of what is kept of both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub row: u32,
    pub query: u32,
    pub score: f32,
}

/// What a call finds: hits, or where nothing is asked for the score of each row and query.
#[derive(Default)]
pub(crate) struct Found {
    pub hits: Vec<Hit>,
    pub scores: Vec<PerQuery<f32>>,
}

impl Found {
    /// Enters the hits among a row's scores with the queries from `first` on: those that have a bit.
    #[inline(always)]
    fn enter(&mut self, row: usize, first: usize, mut bits: u32, scores: &[f32]) {
        while bits != 0 {
            let lane = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            self.hits.push(Hit { row: row as u32, query: (first + lane) as u32, score: scores[lane] });
        }
    }
}

/// Up to [`GROUP`] queries, side by side.
pub(crate) struct Group {
    /// Vectors of queries: as few as hold them.
    width: usize,
    /// For each step and vector, [`STEP`] codes of each of its queries.
    codes: Vec<[[i8; STEP]; LANES]>,
    worth: PerQuery<f32>,
    off: PerQuery<f32>,
    /// What the [`SIGN`] of the rows' codes adds to each sum, to begin with.
    start: PerQuery<i32>,
}

impl Group {
    /// Of queries of `dim` numbers, none of them zeros.
    pub(crate) fn new(queries: &[f32], dim: usize) -> Group {
        let width = (queries.len() / dim).div_ceil(LANES);
        let zeros = [[0; STEP]; LANES];
        let mut group = Group {
            width,
            codes: vec![zeros; dim.div_ceil(STEP) * width],
            worth: [[0.0; LANES]; WIDTH],
            off: [[0.0; LANES]; WIDTH],
            start: [[0; LANES]; WIDTH],
        };
        let mut codes = Vec::with_capacity(dim);
        for (i, query) in queries.chunks_exact(dim).enumerate() {
            let (vector, lane) = (i / LANES, i % LANES);
            codes.clear();
            [group.worth[vector][lane], group.off[vector][lane]] = encode(query, &mut codes);
            for (j, &code) in codes.iter().enumerate() {
                group.codes[j / STEP * width + vector][lane][j % STEP] = code as i8;
                group.start[vector][lane] -= i32::from(SIGN) * i32::from(code as i8);
            }
        }
        group
    }

    /// What the codes leave out of each query.
    pub(crate) fn offs(&self) -> &PerQuery<f32> {
        &self.off
    }

    /// Vectors of queries.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// What the codes leave out of a query.
    pub(crate) fn off(&self, query: usize) -> f32 {
        self.off[query / LANES][query % LANES]
    }
}

/// Bytes that are wanted in the cache meanwhile: some a step, so that they do not queue.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    pub start: *const u8,
    /// For each row that is multiplied.
    pub bytes_a_row: usize,
}

impl Ahead {
    /// What is wanted while so many rows are multiplied, in so many steps.
    #[inline(always)]
    fn of_rows(self, first: usize, rows: usize, steps: usize) -> Wanted {
        Wanted {
            at: self.start.wrapping_add(first * self.bytes_a_row),
            bytes_a_step: (rows * self.bytes_a_row).div_ceil(steps.max(1)),
        }
    }
}

struct Wanted {
    at: *const u8,
    bytes_a_step: usize,
}

impl Wanted {
    #[inline(always)]
    fn step(&mut self) {
        for line in (0..self.bytes_a_step).step_by(64) {
            prefetch_for_later(self.at.wrapping_add(line));
        }
        self.at = self.at.wrapping_add(self.bytes_a_step);
    }
}

/// Rows of codes, each plus [`SIGN`], in steps.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    pub codes: &'a [[u8; STEP]],
    pub steps: usize,
    pub bounds: &'a [Bound],
}

impl<'a> Codes<'a> {
    fn rows<const R: usize>(&self, first: usize) -> [&'a [[u8; STEP]]; R] {
        std::array::from_fn(|i| &self.codes[(first + i) * self.steps..][..self.steps])
    }
}

/// Whether there are instructions that make it faster than float32.
pub(crate) fn is_fast(kernel: Kernel) -> bool {
    kernel.isa() > Isa::Scalar
}

/// Appends the hits: all rows and queries where `score + off of the row` is `bars` or more; or without these writes all scores.
#[allow(unsafe_code)]
pub(crate) fn multiply(
    kernel: Kernel,
    codes: Codes,
    group: &Group,
    bars: Option<&PerQuery<f32>>,
    ahead: Ahead,
    found: &mut Found,
) {
    if bars.is_none() {
        found.scores.resize(codes.bounds.len(), PerQuery::default());
    }
    match kernel.isa() {
        Isa::Scalar => portable(codes, group, bars, found),
        // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => unsafe { avx2::multiply(codes, group, bars, ahead, found) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni | Isa::Avx512Vbmi2 => unsafe { vnni::multiply(codes, group, bars, ahead, found) },
    }
}

fn portable(codes: Codes, group: &Group, bars: Option<&PerQuery<f32>>, found: &mut Found) {
    for (row, &[worth, off]) in codes.bounds.iter().enumerate() {
        let [steps] = codes.rows::<1>(row);
        for vector in 0..group.width {
            let mut sums = group.start[vector];
            for (row, queries) in steps.iter().zip(group.codes.chunks_exact(group.width)) {
                for (sum, query) in sums.iter_mut().zip(&queries[vector]) {
                    *sum += row.iter().zip(query).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
                }
            }
            for (lane, &sum) in sums.iter().enumerate() {
                let score = sum as f32 * group.worth[vector][lane] * worth;
                let Some(bars) = bars else {
                    found.scores[row][vector][lane] = score;
                    continue;
                };
                if score + off >= bars[vector][lane] {
                    found.hits.push(Hit { row: row as u32, query: (vector * LANES + lane) as u32, score });
                }
            }
        }
    }
}

/// AVX-512 VNNI: 64 products an instruction.
#[cfg(target_arch = "x86_64")]
mod vnni {
    use std::arch::x86_64::*;

    use super::{Ahead, Codes, Found, Group, LANES, PerQuery};

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn multiply(codes: Codes, group: &Group, bars: Option<&PerQuery<f32>>, ahead: Ahead, found: &mut Found) {
        // As many rows as leave registers for a vector of each query and a row.
        match group.width {
            1 => tiles::<8, 1>(codes, group, bars, ahead, found),
            2 => tiles::<8, 2>(codes, group, bars, ahead, found),
            3 => tiles::<8, 3>(codes, group, bars, ahead, found),
            _ => tiles::<6, 4>(codes, group, bars, ahead, found),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    fn tiles<const ROWS: usize, const WIDTH: usize>(
        codes: Codes,
        group: &Group,
        bars: Option<&PerQuery<f32>>,
        ahead: Ahead,
        found: &mut Found,
    ) {
        let mut row = 0;
        while row + ROWS <= codes.bounds.len() {
            tile::<ROWS, WIDTH>(codes, row, group, bars, ahead, found);
            row += ROWS;
        }
        while row < codes.bounds.len() {
            tile::<1, WIDTH>(codes, row, group, bars, ahead, found);
            row += 1;
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    fn tile<const ROWS: usize, const WIDTH: usize>(
        codes: Codes,
        first: usize,
        group: &Group,
        bars: Option<&PerQuery<f32>>,
        ahead: Ahead,
        found: &mut Found,
    ) {
        let start: [__m512i; WIDTH] = std::array::from_fn(|vector| bytemuck::cast(group.start[vector]));
        let mut sums = [start; ROWS];
        let rows = codes.rows::<ROWS>(first);
        let queries = group.codes.as_chunks::<WIDTH>().0;
        let mut wanted = ahead.of_rows(first, ROWS, codes.steps);
        assert!(
            queries.len() == codes.steps && rows.iter().all(|row| row.len() == codes.steps),
            "lengths that do not fit"
        );
        for (step, queries) in queries.iter().enumerate() {
            let queries: [__m512i; WIDTH] = std::array::from_fn(|vector| bytemuck::cast(queries[vector]));
            for row in 0..ROWS {
                let codes = _mm512_set1_epi32(i32::from_le_bytes(rows[row][step]));
                for vector in 0..WIDTH {
                    sums[row][vector] = _mm512_dpbusd_epi32(sums[row][vector], codes, queries[vector]);
                }
            }
            wanted.step();
        }
        for (row, sums) in (first..).zip(sums) {
            let [worth, off] = codes.bounds[row].map(|x| _mm512_set1_ps(x));
            let Some(bars) = bars else {
                for (vector, sum) in sums.into_iter().enumerate() {
                    let score = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), bytemuck::cast(group.worth[vector]));
                    found.scores[row][vector] = bytemuck::cast(_mm512_mul_ps(score, worth));
                }
                continue;
            };
            let mut scores = [_mm512_setzero_ps(); WIDTH];
            let mut hit = [0; WIDTH];
            for vector in 0..WIDTH {
                scores[vector] = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[vector]), bytemuck::cast(group.worth[vector]));
                let high = _mm512_fmadd_ps(scores[vector], worth, off);
                hit[vector] = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(high, bytemuck::cast(bars[vector]));
            }
            // Most rows have none.
            if hit.iter().fold(0, |any, hit| any | hit) == 0 {
                continue;
            }
            for (vector, hit) in hit.into_iter().enumerate() {
                let scores: [f32; LANES] = bytemuck::cast(_mm512_mul_ps(scores[vector], worth));
                found.enter(row, vector * LANES, hit.into(), &scores);
            }
        }
    }
}

/// AVX2: pairs of products in 16 bits, where those of magnitudes up to 127 fit.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Ahead, Codes, Found, Group, LANES, PerQuery, SIGN, STEP};

    /// Rows of a tile, and halves of vectors: as many as leave registers for what is between.
    const ROWS: usize = 4;
    const HALF: usize = LANES / 2;

    #[target_feature(enable = "avx2")]
    pub(super) fn multiply(codes: Codes, group: &Group, bars: Option<&PerQuery<f32>>, ahead: Ahead, found: &mut Found) {
        for vector in 0..group.width {
            let mut row = 0;
            let ahead = if vector == 0 { ahead } else { Ahead { bytes_a_row: 0, ..ahead } };
            while row + ROWS <= codes.bounds.len() {
                tile::<ROWS>(codes, row, group, vector, bars, ahead, found);
                row += ROWS;
            }
            while row < codes.bounds.len() {
                tile::<1>(codes, row, group, vector, bars, ahead, found);
                row += 1;
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn tile<const ROWS: usize>(
        codes: Codes,
        first: usize,
        group: &Group,
        vector: usize,
        bars: Option<&PerQuery<f32>>,
        ahead: Ahead,
        found: &mut Found,
    ) {
        let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
        let rows = codes.rows::<ROWS>(first);
        let (sign, ones) = (_mm256_set1_epi8(SIGN as i8), _mm256_set1_epi16(1));
        let mut wanted = ahead.of_rows(first, ROWS, codes.steps);
        assert!(rows.iter().all(|row| row.len() == codes.steps), "lengths that do not fit");
        for (step, queries) in group.codes.chunks_exact(group.width).take(codes.steps).enumerate() {
            let queries: [__m256i; 2] = bytemuck::cast::<[[i8; STEP]; LANES], _>(queries[vector]);
            for (sums, row) in sums.iter_mut().zip(rows) {
                let row = _mm256_xor_si256(_mm256_set1_epi32(i32::from_le_bytes(row[step])), sign);
                let magnitude = _mm256_abs_epi8(row);
                for (sum, query) in sums.iter_mut().zip(queries) {
                    let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(query, row));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            wanted.step();
        }
        for (row, sums) in (first..).zip(sums) {
            let [worth, off] = codes.bounds[row].map(|x| _mm256_set1_ps(x));
            let of_queries: [__m256; 2] = bytemuck::cast(group.worth[vector]);
            let scores: [__m256; 2] = std::array::from_fn(|half| {
                _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums[half]), of_queries[half]), worth)
            });
            let Some(bars) = bars else {
                found.scores[row][vector] = bytemuck::cast(scores);
                continue;
            };
            let bars: [__m256; 2] = bytemuck::cast(bars[vector]);
            for (half, score) in scores.into_iter().enumerate() {
                let hit = _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_add_ps(score, off), bars[half]);
                let scores: [f32; HALF] = bytemuck::cast(score);
                found.enter(row, vector * LANES + half * HALF, _mm256_movemask_ps(hit) as u32, &scores);
            }
        }
    }
}
