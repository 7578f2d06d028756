//! What decides: cosines in float64, and quotients of them.

use super::Neighbor;
use crate::{
    store::gather::Rows,
    sys::simd::{Isa, Kernel},
};

/// What keeps a product of cosines from being divided by zero: Levy and Goldberg, 2014.
pub(crate) const EPSILON: f64 = 1e-6;

/// Rows asked for ahead of the one that is compared.
const PREFETCH_ROWS: usize = 4;

/// What rows are asked for, and compared with.
pub(crate) struct Exact<'a> {
    rows: Rows<'a>,
    asked: Asked<'a>,
    row: Vec<f32>,
}

enum Asked<'a> {
    /// The cosine with a query.
    Cosine(Query<'a>),
    /// The product of the cosines with the first queries over that of those with the others, all moved to 0..1.
    Quotient(Vec<Query<'a>>, usize),
}

struct Query<'a> {
    numbers: &'a [f32],
    square: f64,
}

impl<'a> Query<'a> {
    fn new(numbers: &'a [f32]) -> Query<'a> {
        Query { numbers, square: sums(numbers, numbers)[0] }
    }

    /// The cosine with a row, 0 where one of them is zeros.
    fn cosine(&self, row: &[f32]) -> f64 {
        let [product, square] = sums(row, self.numbers);
        let lengths = (square * self.square).sqrt();
        if lengths > 0.0 { product / lengths } else { 0.0 }
    }
}

impl<'a> Exact<'a> {
    /// Cosines with a query.
    pub(crate) fn cosine(rows: Rows<'a>, query: &'a [f32]) -> Exact<'a> {
        Exact::new(rows, Asked::Cosine(Query::new(query)))
    }

    /// 3CosMul: what is near the first so many queries, and far from the others.
    pub(crate) fn quotient(rows: Rows<'a>, queries: &'a [f32], toward: usize) -> Exact<'a> {
        Exact::new(rows, Asked::Quotient(queries.chunks_exact(rows.dim()).map(Query::new).collect(), toward))
    }

    fn new(rows: Rows<'a>, asked: Asked<'a>) -> Exact<'a> {
        let room = if rows.float32().is_some() { 0 } else { rows.dim() };
        Exact { rows, asked, row: vec![0.0; room] }
    }

    /// What is asked for, of a row.
    pub(super) fn score(&mut self, id: u32) -> f64 {
        let (id, dim) = (id as usize, self.rows.dim());
        let row = if let Some(values) = self.rows.float32() {
            &values[id * dim..][..dim]
        } else {
            self.rows.decode(id, &mut self.row);
            &self.row
        };
        match &self.asked {
            Asked::Cosine(query) => query.cosine(row),
            Asked::Quotient(queries, toward) => {
                let product =
                    |queries: &[Query]| queries.iter().map(|query| (1.0 + query.cosine(row)) / 2.0).product::<f64>();
                product(&queries[..*toward]) / (product(&queries[*toward..]) + EPSILON)
            }
        }
    }

    /// Appends the scores of rows, which it sorts, so that memory is read in order.
    pub(crate) fn scores(&mut self, ids: &mut [u32], scores: &mut Vec<Neighbor>) {
        ids.sort_unstable();
        for (i, &id) in ids.iter().enumerate() {
            if let Some(&later) = ids.get(i + PREFETCH_ROWS) {
                self.rows.prefetch(i64::from(later));
            }
            scores.push(Neighbor { id, cosine: self.score(id) });
        }
    }
}

/// The products of a row with a query, and with itself, in an order of additions that is the same on all processors.
#[allow(unsafe_code)]
fn sums(row: &[f32], query: &[f32]) -> [f64; 2] {
    #[cfg(target_arch = "x86_64")]
    if Kernel::detect().isa() >= Isa::Avx512 {
        // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
        return unsafe { sums_avx512(row, query) };
    }
    sums_generic(row, query)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sums_avx512(row: &[f32], query: &[f32]) -> [f64; 2] {
    sums_generic(row, query)
}

#[inline(always)]
fn sums_generic(row: &[f32], query: &[f32]) -> [f64; 2] {
    let mut lanes = [[0f64; 16]; 2];
    let mut add = |row: &[f32], query: &[f32]| {
        let [products, squares] = &mut lanes;
        for (((product, square), &x), &y) in products.iter_mut().zip(squares).zip(row).zip(query) {
            let (x, y) = (f64::from(x), f64::from(y));
            *product += x * y;
            *square += x * x;
        }
    };
    let ((blocks, rest), (of_query, query_rest)) = (row.as_chunks::<16>(), query.as_chunks::<16>());
    for (row, query) in blocks.iter().zip(of_query) {
        add(row, query);
    }
    add(rest, query_rest);
    lanes.map(|lanes| lanes.iter().sum())
}
