//! Cosines in float64, which decide.

use crate::{
    store::gather::Rows,
    sys::simd::{Isa, Kernel},
};

/// A query beside the rows that it is compared with.
pub(crate) struct Exact<'a> {
    rows: Rows<'a>,
    query: &'a [f32],
    square: f64,
    row: Vec<f32>,
}

impl<'a> Exact<'a> {
    pub(crate) fn new(rows: Rows<'a>, query: &'a [f32]) -> Exact<'a> {
        let [square, _] = sums(query, query);
        let room = if rows.float32().is_some() { 0 } else { rows.dim() };
        Exact { rows, query, square, row: vec![0.0; room] }
    }

    /// The cosine of the query and a row, 0 where one of them is zeros.
    pub(crate) fn cosine(&mut self, id: u32) -> f64 {
        let (id, dim) = (id as usize, self.rows.dim());
        let row = if let Some(values) = self.rows.float32() {
            &values[id * dim..][..dim]
        } else {
            self.rows.decode(id, &mut self.row);
            &self.row
        };
        let [product, square] = sums(row, self.query);
        let lengths = (square * self.square).sqrt();
        if lengths > 0.0 { product / lengths } else { 0.0 }
    }

    /// Asks for a row that will be compared soon.
    pub(crate) fn prefetch(&self, id: u32) {
        self.rows.prefetch(i64::from(id));
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
